"""The PixelCNN++ of Salimans et al. (2017): two streams at three resolutions, with short cuts between equal ones.

`mae_bench.nn.pixelcnn_pp` is the decoder of small receptive field that the MAE paper makes of it.
"""

from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.pixelcnn_pp import GATE_INITIAL_SCALE, concat_elu
from mae_bench.nn.precision import at_least_float32, head_in_float32
from mae_bench.nn.shifted_convolution import ShiftedConv2d, shifted_down, shifted_right
from mae_bench.nn.weight_norm import Conv2d, ConvTranspose2d

RESOLUTIONS = 3


def _convolution(inputs: int, outputs: int, *, left_only: bool, initial_scale: float = 1.0) -> ShiftedConv2d:
    """2x3 for the stream of the rows above, 2x2 for that of the pixels before."""
    return ShiftedConv2d(inputs, outputs, above=1, left=1, right=0 if left_only else 1, initial_scale=initial_scale)


class HalvingConv2d(ShiftedConv2d):
    """At every other pixel from the first on, so that what is doubled again is seen by no pixel before its time."""

    def operation(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (self.left, self.right, self.above, 0)), weight, bias, stride=2)


class GatedResidual(nn.Module):
    """x + a sigmoid(b), made from x and `other` maps beside it: [B, width, H, W] -> the same."""

    def __init__(self, width: int, other: int, dropout: float, *, left_only: bool) -> None:
        super().__init__()
        self.first = _convolution(2 * width, width, left_only=left_only)
        self.from_other = Conv2d(2 * other, width, 1) if other else None
        self.dropout = nn.Dropout(dropout)
        self.gate = _convolution(2 * width, 2 * width, left_only=left_only, initial_scale=GATE_INITIAL_SCALE)

    def forward(self, x: Tensor, other: Tensor | None = None) -> Tensor:
        hidden = self.first(concat_elu(x))
        if self.from_other is not None and other is not None:
            hidden = hidden + self.from_other(concat_elu(other))
        a, b = self.gate(self.dropout(concat_elu(hidden))).chunk(2, dim=1)
        result: Tensor = x + a * torch.sigmoid(b)
        return result


class TwoStreams(nn.Module):
    """A block of both streams; short_cuts: how many times `width` maps come from the way down to each."""

    def __init__(self, width: int, dropout: float, *, short_cuts: bool) -> None:
        super().__init__()
        self.above = GatedResidual(width, width if short_cuts else 0, dropout, left_only=False)
        self.before = GatedResidual(width, 2 * width if short_cuts else width, dropout, left_only=True)

    def forward(
        self, above: Tensor, before: Tensor, kept: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        if kept is None:
            above = self.above(above)
            return above, self.before(before, above)
        above = self.above(above, kept[0])
        return above, self.before(before, torch.cat([above, kept[1]], dim=1))


class PixelCNNUNet(nn.Module):
    """Images [B, C, H, W] in [0, 1] -> [B, outputs, H, W], each pixel a function of all pixels before it.

    blocks: gated residual blocks of each stream at each resolution on the way down, one more each on the way up but for
    the first. All channels of a pixel are equally unseen at it.
    """

    def __init__(self, channels: int, *, width: int, blocks: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.first_above = ShiftedConv2d(channels, width, above=1, left=1, right=1)
        self.row_above = ShiftedConv2d(channels, width, left=1, right=1)
        self.row_before = ShiftedConv2d(channels, width, above=1)
        self.down = nn.ModuleList(
            nn.ModuleList(TwoStreams(width, dropout, short_cuts=False) for _ in range(blocks))
            for _ in range(RESOLUTIONS)
        )
        self.up = nn.ModuleList(
            nn.ModuleList(TwoStreams(width, dropout, short_cuts=True) for _ in range(blocks + (stage > 0)))
            for stage in range(RESOLUTIONS)
        )
        self.halving = nn.ModuleList(
            nn.ModuleList(HalvingConv2d(width, width, above=1, left=1, right=right) for right in (1, 0))
            for _ in range(RESOLUTIONS - 1)
        )
        self.doubling = nn.ModuleList(
            nn.ModuleList(ConvTranspose2d(width, width, 2, stride=2) for _ in range(2)) for _ in range(RESOLUTIONS - 1)
        )
        self.last = Conv2d(width, outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = 2 * images - 1
        above = self.first_above(shifted_down(x))
        before = self.row_above(shifted_down(x)) + self.row_before(shifted_right(x))
        kept = [(above, before)]
        for stage, blocks in enumerate(cast(Iterable[nn.ModuleList], self.down)):
            for block in blocks:
                above, before = block(above, before)
                kept.append((above, before))
            if stage < RESOLUTIONS - 1:
                above, before = self._each(self.halving[stage], above, before)
                kept.append((above, before))
        above, before = kept.pop()
        for stage, blocks in enumerate(cast(Iterable[nn.ModuleList], self.up)):
            for block in blocks:
                above, before = block(above, before, kept.pop())
            if stage < RESOLUTIONS - 1:
                height, width = kept[-1][0].shape[2:]
                above, before = self._each(self.doubling[stage], above, before)
                above, before = above[:, :, :height, :width], before[:, :, :height, :width]
        return head_in_float32(self.last, F.elu(at_least_float32(before)))

    @staticmethod
    def _each(layers: nn.Module, above: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        of_above, of_before = cast(nn.ModuleList, layers)
        return of_above(above), of_before(before)
