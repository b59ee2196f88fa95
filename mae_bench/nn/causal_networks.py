"""PixelCNN and gated PixelCNN: images [B, C, H, W] -> outputs for each pixel and channel, of what comes before them.

Output maps are of channel i modulo C, as in `mae_bench.nn.causal`, so that `outputs` must be a multiple of C.
"""

from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.causal import CausalConv2d, CausalRowConv2d
from mae_bench.nn.shifted_convolution import ShiftedConv2d, shifted_down


class CausalHead(nn.Module):
    """What ends each network here: ReLU, 1x1, ReLU, 1x1, from [B, width, H, W] to [B, outputs, H, W]."""

    def __init__(self, width: int, outputs: int, channels: int) -> None:
        super().__init__()
        self.hidden = CausalConv2d(width, width, 1, channels)
        self.last = CausalConv2d(width, outputs, 1, channels)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.last(F.relu(self.hidden(F.relu(x))))
        return result


class CausalResidualBlock(nn.Module):
    """ReLU, 1x1 to half the maps, ReLU, 3x3, ReLU, 1x1 back, plus the input (van den Oord et al., 2016a, figure 5)."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.narrow = CausalConv2d(width, width // 2, 1, channels)
        self.spatial = CausalConv2d(width // 2, width // 2, 3, channels)
        self.widen = CausalConv2d(width // 2, width, 1, channels)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.spatial(F.relu(self.narrow(F.relu(x)))))
        result: Tensor = x + self.widen(hidden)
        return result


class ResidualPixelCNN(nn.Module):
    """A 7x7 layer of kind A, residual blocks and two 1x1 layers (van den Oord et al., 2016a, section 3.5)."""

    def __init__(self, channels: int, width: int, blocks: int, outputs: int) -> None:
        super().__init__()
        self.first = CausalConv2d(channels, width, 7, channels, "A")
        self.blocks = nn.Sequential(*(CausalResidualBlock(width, channels) for _ in range(blocks)))
        self.head = CausalHead(width, outputs, channels)

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.head(self.blocks(self.first(2 * images - 1)))
        return result


class GatedLayer(nn.Module):
    """tanh(a) sigmoid(b) in two stacks: of the rows above, which no mask needs, and of the row itself.

    Van den Oord et al. (2016b), eq. (2) and figure 2. Both stacks have `width` maps, a multiple of the channels.
    """

    def __init__(self, above: int, beside: int, width: int, kernel: int, channels: int, *, first: bool) -> None:
        super().__init__()
        reach = kernel // 2
        self.rows_above = ShiftedConv2d(above, 2 * width, above=reach, left=reach, right=reach)
        self.row = CausalRowConv2d(beside, 2 * width, reach, channels, "A" if first else "B")
        self.from_above = ShiftedConv2d(2 * width, 2 * width)
        self.out = CausalConv2d(width, width, 1, channels)
        self.residual = not first

    def forward(self, above: Tensor, beside: Tensor) -> tuple[Tensor, Tensor]:
        """Both stacks [B, maps, H, W] -> both anew [B, width, H, W]; `above` at (r, c) knows of rows before r alone."""
        rows = self.rows_above(above)
        hidden = self.out(_gate(self.row(beside) + self.from_above(rows)))
        return _gate(rows), beside + hidden if self.residual else hidden


class GatedPixelCNN(nn.Module):
    """A first gated layer of 7x7, further ones of 3x3 and two 1x1 layers; nothing within its reach is hidden."""

    def __init__(self, channels: int, width: int, layers: int, outputs: int) -> None:
        super().__init__()
        if width % channels:
            raise ValueError(f"width must be a multiple of the {channels} channels, and is {width}")
        self.first = GatedLayer(channels, channels, width, 7, channels, first=True)
        self.layers = nn.ModuleList(GatedLayer(width, width, width, 3, channels, first=False) for _ in range(layers))
        self.head = CausalHead(width, outputs, channels)

    def forward(self, images: Tensor) -> Tensor:
        x = 2 * images - 1
        above, beside = self.first(shifted_down(x), x)
        for layer in cast(Iterable[GatedLayer], self.layers):
            above, beside = layer(above, beside)
        result: Tensor = self.head(beside)
        return result


def _gate(x: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=1)
    return torch.tanh(a) * torch.sigmoid(b)
