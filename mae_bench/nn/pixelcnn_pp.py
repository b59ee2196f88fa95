"""A PixelCNN++ (Salimans et al., 2017) with a small receptive field, conditioned on maps in every gated block.

Two streams, as there: one sees the rows above a pixel, the other what is left of it in its row and, through the first,
the rest; so nothing within the receptive field is hidden. Only the first layers carry spatial kernels, which keeps the
receptive field small at full resolution; all other convolutions are 1x1.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.shifted_convolution import ShiftedConv2d, shifted_down, shifted_right
from mae_bench.nn.weight_norm import Conv2d, folded_weights

REACH = 3
"""Rows above the pixel that are seen, and columns to either side: a receptive field of 7x4."""
_GATE_INITIAL_SCALE = 0.1
"""Of what a block adds to its input, after data-dependent initialisation: as in the code of Salimans et al."""


def concat_elu(x: Tensor) -> Tensor:
    """ELU of x and of -x, one after the other: [B, C, H, W] -> [B, 2 C, H, W]."""
    return F.elu(torch.cat([x, -x], dim=1))


class GatedBlock(nn.Module):
    """x + a sigmoid(b), where a and b are made of x, of the maps and, where it has one, of the other stream.

    concat-ELU, `spatial`, plus 1x1 of the other stream's concat-ELU, concat-ELU, dropout, 1x1, plus 1x1 of the maps.
    x, other: [B, width, H, W]; maps: [B, maps, H, W].
    """

    def __init__(self, spatial: ShiftedConv2d, width: int, maps: int, dropout: float, *, has_other: bool) -> None:
        super().__init__()
        self.spatial = spatial
        self.from_other = Conv2d(2 * width, width, 1) if has_other else None
        self.dropout = nn.Dropout(dropout)
        self.gate = ShiftedConv2d(2 * width, 2 * width, initial_scale=_GATE_INITIAL_SCALE)
        self.from_maps = Conv2d(maps, 2 * width, 1)

    def forward(
        self, x: Tensor, maps: Tensor, other: Tensor | None = None, spatial: Callable[[Tensor], Tensor] | None = None
    ) -> Tensor:
        """spatial: stands in for the block's own where that is computed part by part."""
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
        result: Tensor = self.head(F.elu(left))
        return result

    @torch.no_grad()
    def generate(self, maps: Tensor, channels: int, draw: Callable[[Tensor], Tensor]) -> Tensor:
        """An image [B, C, H, W], pixel by pixel in raster order; draw: outputs [B, outputs, 1, 1] -> [B, C, 1, 1].

        Every activation is computed once, so that an image costs the arithmetic of a single pass.
        """
        images = maps.new_zeros(len(maps), channels, *maps.shape[2:])
        with folded_weights(self):
            for row, column, outputs in self._walk(images, maps):
                images[:, :, row, column] = draw(outputs)[:, :, 0, 0]
        return images

    def _walk(self, images: Tensor, maps: Tensor) -> Iterator[tuple[int, int, Tensor]]:
        """(row, column, outputs there) in raster order; `images` must hold each pixel before the next one is asked."""
        batch, _, height, width = images.shape
        above_blocks, left_blocks = (
            [
                (block, block.spatial.growing(batch, (height, width)))
                for block in stream
                if isinstance(block, GatedBlock)
            ]
            for stream in (self.above, self.left)
        )
        first_above = self.first_above.growing(batch, (height, width))
        shifted = F.pad(images, (1, 0, 1, 0))  # a row and a column of zeros in front stand for the two shifts
        for row in range(height):
            maps_of_row = maps[:, :, row : row + 1]
            above = first_above(shifted[:, :, row : row + 1, 1:], row, 0)
            aboves: list[Tensor] = []
            for block, growing in above_blocks:
                above = block(above, maps_of_row, spatial=partial(growing, row=row, column=0))
                aboves.append(above)
            for column in range(width):
                here = slice(column, column + 1)
                left = self.first_left(shifted[:, :, row + 1 : row + 2, here])
                for (block, growing), other in zip(left_blocks, aboves, strict=True):
                    spatial = partial(growing, row=row, column=column)
                    left = block(left, maps_of_row[..., here], other[..., here], spatial)
                yield row, column, self.head(F.elu(left))
                shifted[:, :, row + 1, column + 1] = images[:, :, row, column]
