"""Convolutions over an input that becomes known in raster order; each output is computed once. Sampling needs them."""

from functools import partial
from types import EllipsisType

import torch.nn.functional as F
from torch import Tensor

from mae_bench.nn.weight_norm import WeightNormalised

Place = tuple[EllipsisType | slice | int, ...]
"""Indexes what is next to become known in a tensor."""


class GrowingConv2d:
    """A convolution over an input [batch, inputs, *size] that becomes known part by part; without gradients.

    weight: [outputs, inputs, rows, columns], its last row over the row of the output and `left` columns left of it.
    What is not yet known counts as zero.
    """

    def __init__(self, weight: Tensor, bias: Tensor, left: int, batch: int, size: tuple[int, int]) -> None:
        self.weight, self.bias = weight.detach(), bias.detach()
        _, inputs, rows, columns = weight.shape
        self.above, self.left, self.beside = rows - 1, left, columns - 1
        self.known = self.weight.new_zeros(batch, inputs, self.above + size[0], self.beside + size[1])

    def put(self, part: Tensor, row: int, column: int) -> None:
        """Make part, [batch, inputs, 1, columns], the input from (row, column) on."""
        first = self.left + column
        self.known[:, :, self.above + row, first : first + part.shape[3]] = part[:, :, 0]

    def at(self, row: int, column: int, columns: int = 1) -> Tensor:
        """The outputs from (row, column) on: [batch, outputs, 1, columns]."""
        seen = self.known[:, :, row : row + self.above + 1, column : column + columns + self.beside]
        return F.conv2d(seen, self.weight, self.bias)

    def __call__(self, part: Tensor, row: int, column: int) -> Tensor:
        """The outputs over part, which is put there first."""
        self.put(part, row, column)
        return self.at(row, column, part.shape[3])


class PixelConv2d:
    """A masked convolution, without its bias, over an input [batch, inputs, *size] that becomes known pixel by pixel.

    weight: [outputs, inputs, k, k], zero after the centre. One matrix product for each pixel: with `GrowingConv2d` in
    its place a PixelCNN would take three to five times as long to sample.
    """

    def __init__(self, weight: Tensor, batch: int, size: tuple[int, int]) -> None:
        outputs, inputs, self.kernel, _ = weight.shape
        self.reach = self.kernel // 2
        # Channels last, so that a pixel's window is a few contiguous pieces.
        self.known = weight.new_zeros(batch, size[0] + self.reach, size[1] + 2 * self.reach, inputs)
        self.weight = weight[:, :, : self.reach + 1].permute(2, 3, 1, 0).reshape(-1, outputs)

    def put(self, values: Tensor, row: int, column: int) -> None:
        """Make values, [batch, inputs], the input at this pixel."""
        self.known[:, row + self.reach, column + self.reach] = values

    def at(self, row: int, column: int) -> Tensor:
        """The output at this pixel: [batch, outputs]."""
        window = self.known[:, row : row + self.reach + 1, column : column + self.kernel]
        return window.flatten(1) @ self.weight


def pointwise(layer: WeightNormalised) -> partial[Tensor]:
    """A 1x1 convolution with its present weights, at a single pixel: [B, inputs] -> [B, outputs]."""
    return partial(F.linear, weight=layer.weight().flatten(1), bias=layer.bias)
