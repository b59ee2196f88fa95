"""A small CNN of masked convolutions: one pass gives, at every position, a function of the positions before it."""

from collections.abc import Iterator
from itertools import product

import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.incremental import Place
from mae_bench.nn.masked_convolution import MaskedConv2d

_KERNEL = 3


class MaskedCNN(nn.Module):
    """[B, maps, H, W] -> the same shape, each position a function of the positions before it in raster order.

    Three masked 3x3 layers with ELU between them, the second residual, and a masked direct connection from input to
    output. No map depends on another at the same position. initial_scale: as for `MADE`.
    """

    def __init__(self, maps: int, width: int, initial_scale: float) -> None:
        super().__init__()
        self.first = MaskedConv2d(maps, width, _KERNEL, "A", initial_scale)
        self.second = MaskedConv2d(width, width, _KERNEL, "B", initial_scale)
        self.third = MaskedConv2d(width, maps, _KERNEL, "B", initial_scale)
        self.direct = MaskedConv2d(maps, maps, _KERNEL, "A", initial_scale)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """context: [B, width, H, W], added to the first hidden layer."""
        hidden = F.elu(self.first(z) if context is None else self.first(z) + context)
        hidden = F.elu(hidden + self.second(hidden))
        result: Tensor = self.third(hidden) + self.direct(z)
        return result

    def in_order(self, z: Tensor) -> Iterator[tuple[Place, Tensor]]:
        """Each position and the output there, while z is filled in: z[place] must be set before the next is asked for.

        Every activation is computed once, so that all positions cost the arithmetic of one pass; without gradients.
        """
        size = (z.shape[2], z.shape[3])
        layers = (self.first, self.second, self.third, self.direct)
        first, second, third, direct = (layer.growing(len(z), size) for layer in layers)
        for row, column in product(range(size[0]), range(size[1])):
            hidden = F.elu(first.at(row, column))
            hidden = F.elu(hidden + second(hidden, row, column))
            place = (..., slice(row, row + 1), slice(column, column + 1))
            yield place, third(hidden, row, column) + direct.at(row, column)
            first.put(z[place], row, column)
            direct.put(z[place], row, column)
