"""MADE (Germain et al., 2015): one pass gives, for every unit, a function of the units before it."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.incremental import Place
from mae_bench.nn.weight_norm import Linear


class MADE(nn.Module):
    """[B, units] -> [B, units], output i a function of inputs 0..i-1 alone.

    One hidden layer of `hidden` ReLU units and a masked direct connection from input to output. initial_scale: the
    standard deviation of each layer's output after data-dependent initialisation.
    """

    def __init__(self, units: int, hidden: int, initial_scale: float) -> None:
        super().__init__()
        order = torch.arange(1, units + 1)
        # A hidden unit of degree d sees the inputs 1..d; degrees run from 1 to units - 1 (input `units` feeds nothing).
        degree = torch.arange(hidden) % max(1, units - 1) + 1
        self.into_hidden = Linear(units, hidden, (order[None, :] <= degree[:, None]).float(), initial_scale)
        self.out_of_hidden = Linear(hidden, units, (degree[None, :] < order[:, None]).float(), initial_scale)
        self.direct = Linear(units, units, (order[None, :] < order[:, None]).float(), initial_scale)

    def forward(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """context: [B, hidden], added to the hidden layer, so that every output sees all of it."""
        hidden = self.into_hidden(z) if context is None else self.into_hidden(z) + context
        result: Tensor = self.out_of_hidden(F.relu(hidden)) + self.direct(z)
        return result

    def in_order(self, z: Tensor) -> Iterator[tuple[Place, Tensor]]:
        """Each unit and the output there, [B], while z is filled in: z[place] must be set before the next is asked for.

        One pass for each unit.
        """
        for unit in range(z.shape[1]):
            yield (..., unit), self(z)[:, unit]
