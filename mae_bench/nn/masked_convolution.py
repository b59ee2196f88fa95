"""Masked convolutions in raster order (van den Oord et al., 2016): a pixel sees those above and to its left."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from mae_bench.nn.incremental import GrowingConv2d
from mae_bench.nn.weight_norm import WeightNormalised


def raster_mask(kernel: int, kind: Literal["A", "B"]) -> Tensor:
    """[kernel, kernel]: 1 at the taps before the centre in raster order; kind "B" includes the centre, "A" does not."""
    taps = torch.arange(kernel * kernel).view(kernel, kernel)
    centre = kernel * kernel // 2
    return (taps <= centre if kind == "B" else taps < centre).float()


def convolve_above(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The convolution of x [B, C, H, W] by a kernel of odd side whose rows below the centre are all masked."""
    reach = weight.shape[2] // 2
    above = F.pad(x, (0, 0, reach, 0))
    return F.conv2d(above, weight[:, :, : reach + 1], bias, padding=(0, reach))


class MaskedConv2d(WeightNormalised):
    """[B, inputs, H, W] -> [B, outputs, H, W] by a masked convolution of odd side `kernel`, all channels masked alike.

    The rows below the centre are never live, so the convolution runs over the upper rows alone.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, kind: Literal["A", "B"] = "B", initial_scale: float = 1.0
    ) -> None:
        super().__init__((outputs, inputs, kernel, kernel), mask=raster_mask(kernel, kind), initial_scale=initial_scale)
        self.reach = kernel // 2

    def operation(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return convolve_above(x, weight, bias)

    def growing(self, batch: int, size: tuple[int, int]) -> GrowingConv2d:
        """The same convolution with its present weights, over an input that becomes known part by part."""
        return GrowingConv2d(self.weight()[:, :, : self.reach + 1], self.bias, self.reach, batch, size)


class ConditionalMaskedConv2d(WeightNormalised):
    """A mask-A convolution of the image channels that sees the whole window of the conditioning maps.

    images [B, C, H, W] and maps [B, M, H, W] -> [B, outputs, H, W]; call with both concatenated, image channels first.
    """

    def __init__(self, channels: int, maps: int, outputs: int, kernel: int) -> None:
        mask = torch.ones(1, channels + maps, kernel, kernel)
        mask[:, :channels] = raster_mask(kernel, "A")
        super().__init__((outputs, channels + maps, kernel, kernel), mask=mask)
        self.channels = channels
        self.reach = kernel // 2

    def operation(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.conv2d(x, weight, bias, padding=self.reach)
