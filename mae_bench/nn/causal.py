"""Convolutions in raster order that, of a pixel's own channels, see those before a channel (van den Oord et al., 2016).

Map i of every layer belongs to channel i modulo the number of channels, as do images and outputs: a map of channel c
sees, at its own pixel, the maps of channels before c (kind "A") or up to c (kind "B"), and all of earlier pixels.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from mae_bench.nn.masked_convolution import convolve_above, raster_mask
from mae_bench.nn.weight_norm import WeightNormalised

Kind = Literal["A", "B"]


def channel_mask(outputs: int, inputs: int, channels: int, kind: Kind) -> Tensor:
    """[outputs, inputs]: 1 where an output map sees an input map of the same pixel."""
    of_output = torch.arange(outputs)[:, None] % channels
    of_input = torch.arange(inputs) % channels
    return (of_input <= of_output if kind == "B" else of_input < of_output).float()


class CausalConv2d(WeightNormalised):
    """[B, inputs, H, W] -> [B, outputs, H, W]: a kernel of odd side over the pixels before and, by `kind`, the pixel.

    The window is cut off below the centre and right of it, so that stacked layers leave a blind spot.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, channels: int, kind: Kind = "B") -> None:
        mask = raster_mask(kernel, "A").expand(outputs, inputs, -1, -1).clone()
        mask[:, :, kernel // 2, kernel // 2] = channel_mask(outputs, inputs, channels, kind)
        super().__init__((outputs, inputs, kernel, kernel), mask=mask)

    def operation(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return convolve_above(x, weight, bias)


class CausalRowConv2d(WeightNormalised):
    """[B, inputs, H, W] -> [B, outputs, H, W]: `left` pixels to the left and, by `kind`, the pixel; no other row."""

    def __init__(self, inputs: int, outputs: int, left: int, channels: int, kind: Kind = "B") -> None:
        mask = torch.ones(outputs, inputs, 1, left + 1)
        mask[:, :, 0, left] = channel_mask(outputs, inputs, channels, kind)
        super().__init__((outputs, inputs, 1, left + 1), mask=mask)
        self.left = left

    def operation(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (self.left, 0, 0, 0)), weight, bias)
