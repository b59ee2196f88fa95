"""Convolutions that see no row below and, where they must not, no column to the right (Salimans et al., 2017).

Beside the plain pass over a whole image there is one that goes along as the input becomes known, row by row or pixel by
pixel, and computes every output once: what sampling needs.
"""

import torch.nn.functional as F
from torch import Tensor

from mae_bench.nn.weight_norm import WeightNormalised


class ShiftedConv2d(WeightNormalised):
    """[B, inputs, H, W] -> [B, outputs, H, W]: (r, c) sees the rows r - above ... r and columns c - left ... c + right.

    Zeros stand where those leave the image. With all three at 0 it is a 1x1 convolution.
    """

    def __init__(
        self, inputs: int, outputs: int, *, above: int = 0, left: int = 0, right: int = 0, initial_scale: float = 1.0
    ) -> None:
        super().__init__((outputs, inputs, above + 1, left + 1 + right), initial_scale=initial_scale)
        self.above, self.left, self.right = above, left, right

    def operation(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        if self.above or self.left or self.right:
            x = F.pad(x, (self.left, self.right, self.above, 0))
        return F.conv2d(x, weight, bias)

    def growing(self, batch: int, size: tuple[int, int]) -> "GrowingConv2d":
        """The same convolution with its present weights, over an input that becomes known part by part."""
        return GrowingConv2d(self.weight(), self.bias, self.left, batch, size)


class GrowingConv2d:
    """A convolution over an input [batch, inputs, *size] that becomes known part by part, in raster order.

    weight: [outputs, inputs, rows, columns], its last row over the row of the output and `left` columns left of it.
    What is not yet known counts as zero. Not for gradients.
    """

    def __init__(self, weight: Tensor, bias: Tensor, left: int, batch: int, size: tuple[int, int]) -> None:
        self.weight, self.bias = weight.detach(), bias.detach()
        _, inputs, rows, columns = weight.shape
        self.above, self.left, self.beside = rows - 1, left, columns - 1
        self.known = self.weight.new_zeros(batch, inputs, self.above + size[0], self.beside + size[1])

    def put(self, part: Tensor, row: int, column: int) -> None:
        """Let the input from (row, column) on be part, [batch, inputs, 1, columns]."""
        first = self.left + column
        self.known[:, :, self.above + row, first : first + part.shape[3]] = part[:, :, 0]

    def at(self, row: int, column: int, columns: int = 1) -> Tensor:
        """The outputs from (row, column) on, of what is known: [batch, outputs, 1, columns]."""
        seen = self.known[:, :, row : row + self.above + 1, column : column + columns + self.beside]
        return F.conv2d(seen, self.weight, self.bias)

    def __call__(self, part: Tensor, row: int, column: int) -> Tensor:
        """The outputs where part, the next of the input, lies."""
        self.put(part, row, column)
        return self.at(row, column, part.shape[3])


def shifted_down(x: Tensor) -> Tensor:
    """Each row in the place of the one below it, zeros in the first: [B, C, H, W] -> the same shape."""
    return F.pad(x, (0, 0, 1, 0))[:, :, :-1]


def shifted_right(x: Tensor) -> Tensor:
    """Each column in the place of the one right of it, zeros in the first: [B, C, H, W] -> the same shape."""
    return F.pad(x, (1, 0, 0, 0))[:, :, :, :-1]
