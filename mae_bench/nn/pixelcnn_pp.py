"""A PixelCNN++ (Salimans et al., 2017) with a small receptive field, conditioned on maps in every gated block.

There are two streams, as there: one sees the rows above a pixel, the other the pixels to its left and, through the
first, the rows above; so nothing within the receptive field is hidden. Only the first layers carry spatial kernels,
which keeps the receptive field small at full resolution; all other convolutions are 1x1.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.precision import at_least_float32, head_in_float32
from mae_bench.nn.shifted_convolution import ShiftedConv2d, shifted_down, shifted_right
from mae_bench.nn.weight_norm import Conv2d, folded_weights

REACH = 3
"""How many rows above the pixel are seen, and how many columns to either side: a receptive field of 7x4."""
GATE_INITIAL_SCALE = 0.1
"""Standard deviation, after data-dependent initialisation, of the gate's two halves: as in Salimans et al.'s code."""


def concat_elu(x: Tensor) -> Tensor:
    """ELU of x and of -x, one after the other: [B, C, H, W] -> [B, 2 C, H, W]."""
    return F.elu(torch.cat([x, -x], dim=1))


class GatedBlock(nn.Module):
    """x + a sigmoid(b), with a and b made from x, the maps and, if there is one, the other stream.

    concat-ELU, `spatial`, plus 1x1 of the other stream's concat-ELU, concat-ELU, dropout, 1x1, plus 1x1 of the maps.
    x, other: [B, width, H, W]; maps: [B, maps, H, W].
    """

    def __init__(self, spatial: ShiftedConv2d, width: int, maps: int, dropout: float, *, has_other: bool) -> None:
        super().__init__()
        self.spatial = spatial
        self.from_other = Conv2d(2 * width, width, 1) if has_other else None
        self.dropout = nn.Dropout(dropout)
        self.gate = ShiftedConv2d(2 * width, 2 * width, initial_scale=GATE_INITIAL_SCALE)
        self.from_maps = Conv2d(maps, 2 * width, 1)

    def forward(
        self, x: Tensor, maps: Tensor, other: Tensor | None = None, spatial: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        """spatial: taken in place of the block's own, when that is computed part by part."""
        hidden = (spatial or self.spatial)(concat_elu(x))
        if self.from_other is not None and other is not None:
            hidden = hidden + self.from_other(concat_elu(other))
        a, b = (self.gate(self.dropout(concat_elu(hidden))) + self.from_maps(maps)).chunk(2, dim=1)
        result: Tensor = x + a * torch.sigmoid(b)
        return result


class PixelCNNPlusPlus(nn.Module):
    """Images [B, C, H, W] and maps [B, maps, H, W] -> [B, outputs, H, W].

    The output at a pixel is a function of the maps and of the pixels before it, three rows upwards and three columns to
    either side. blocks: gated blocks of each stream, at least two: the first two carry the spatial kernels, 2x3 in the
    stream of the rows above and 1x2 in the other.
    """

    def __init__(self, channels: int, maps: int, *, width: int, blocks: int, outputs: int, dropout: float) -> None:
        super().__init__()
        spatial_blocks = REACH - 1  # the first layer of a stream is the first step of its reach
        if blocks < spatial_blocks:
            raise ValueError(f"a receptive field of 7x4 needs at least {spatial_blocks} gated blocks, not {blocks}")
        self.channels = channels
        self.first_above = ShiftedConv2d(channels, width, left=1, right=1)
        self.first_left = ShiftedConv2d(channels, width)
        above: list[GatedBlock] = []
        left: list[GatedBlock] = []
        for block in range(blocks):
            reach = 1 if block < spatial_blocks else 0
            whole_rows = ShiftedConv2d(2 * width, width, above=reach, left=reach, right=reach)
            above.append(GatedBlock(whole_rows, width, maps, dropout, has_other=False))
            left.append(GatedBlock(ShiftedConv2d(2 * width, width, left=reach), width, maps, dropout, has_other=True))
        self.above, self.left = nn.ModuleList(above), nn.ModuleList(left)
        self.head = Conv2d(width, outputs, 1)

    def forward(self, images: Tensor, maps: Tensor) -> Tensor:
        images, maps = (part.contiguous(memory_format=torch.channels_last) for part in (images, maps))
        above = self.first_above(shifted_down(images))
        left = self.first_left(shifted_right(images))
        for block_above, block_left in zip(self.above, self.left, strict=True):
            above = block_above(above, maps)
            left = block_left(left, maps, above)
        return head_in_float32(self.head, F.elu(at_least_float32(left)))

    @torch.no_grad()
    def generate(self, maps: Tensor, draw: Callable[[Tensor], Tensor]) -> Tensor:
        """Images [B, C, H, W], pixel by pixel in raster order; draw: outputs [B, outputs, 1, 1] -> [B, C, 1, 1].

        Every activation is computed once, so that an image costs the arithmetic of one pass.
        """
        batch, size = len(maps), (maps.shape[2], maps.shape[3])
        # The images with a row and a column of zeros in front, which stand for the two shifts.
        shifted = maps.new_zeros(batch, self.channels, size[0] + 1, size[1] + 1)
        with folded_weights(self):
            first_above = self.first_above.growing(batch, size)
            above_blocks, left_blocks = (
                [(block, block.spatial.growing(batch, size)) for block in cast(Iterable[GatedBlock], stream)]
                for stream in (self.above, self.left)
            )
            for row in range(size[0]):
                maps_of_row = maps[:, :, row : row + 1]
                above = first_above(shifted[:, :, row : row + 1, 1:], row, 0)
                aboves: list[Tensor] = []
                for block, growing in above_blocks:
                    above = block(above, maps_of_row, spatial=partial(growing, row=row, column=0))
                    aboves.append(above)
                for column in range(size[1]):
                    here = slice(column, column + 1)
                    left = self.first_left(shifted[:, :, row + 1 : row + 2, here])
                    for (block, growing), other in zip(left_blocks, aboves, strict=True):
                        spatial = partial(growing, row=row, column=column)
                        left = block(left, maps_of_row[..., here], other[..., here], spatial)
                    shifted[:, :, row + 1, column + 1] = draw(self.head(F.elu(left)))[:, :, 0, 0]
        return shifted[:, :, 1:, 1:].contiguous()
