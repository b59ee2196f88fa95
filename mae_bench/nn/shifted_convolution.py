"""Convolutions that see no row below and, if so asked, no column to the right (Salimans et al., 2017)."""

import torch.nn.functional as F
from torch import Tensor

from mae_bench.nn.incremental import GrowingConv2d
from mae_bench.nn.weight_norm import WeightNormalised


class ShiftedConv2d(WeightNormalised):
    """[B, inputs, H, W] -> [B, outputs, H, W]: (r, c) sees the rows r - above ... r and columns c - left ... c + right.

    Outside the image there are zeros. With all three at 0 it is a 1x1 convolution.
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

    def growing(self, batch: int, size: tuple[int, int]) -> GrowingConv2d:
        """The same convolution with its present weights, over an input that becomes known part by part."""
        return GrowingConv2d(self.weight(), self.bias, self.left, batch, size)


def shifted_down(x: Tensor) -> Tensor:
    """Each row moved to the one below it, zeros in the first: [B, C, H, W] -> the same shape."""
    return F.pad(x, (0, 0, 1, 0))[:, :, :-1]


def shifted_right(x: Tensor) -> Tensor:
    """Each column moved to the one right of it, zeros in the first: [B, C, H, W] -> the same shape."""
    return F.pad(x, (1, 0, 0, 0))[:, :, :, :-1]
