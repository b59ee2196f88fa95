"""A PixelCNN pixel by pixel: what a pixel's logits need of earlier pixels is kept, so that each costs its own window.

A masked convolution sees a window of its input, and everything between two of them is 1x1. So it is enough to keep the
inputs of the masked convolutions: an image of H x W pixels then costs H x W steps of one pixel's arithmetic, not H x W
passes over the image.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from mae_bench.nn.pixelcnn import MaskedBottleneck, PixelCNN, chain
from mae_bench.nn.weight_norm import WeightNormalised


class PixelCNNCache:
    """The logits of one PixelCNN for images that come into being in raster order; without gradients.

    maps: [N, M, H, W]. For each pixel in raster order `logits(row, column)` gives and `set_pixel(row, column, values)`
    takes [N, C]; `images()` [N, C, H, W] holds what was set, and zeros elsewhere. Weights are taken on construction.
    """

    @torch.no_grad()
    def __init__(self, network: PixelCNN, maps: Tensor) -> None:
        first, size = network.first, (maps.shape[0], *maps.shape[2:])
        weight = first.weight()
        self._image = _Window(weight[:, : first.channels], size)
        # The maps are known from the beginning: their part of the first layer is one convolution.
        of_maps = F.conv2d(maps, weight[:, first.channels :], first.bias, padding=first.reach)
        self._of_maps = of_maps.permute(2, 3, 0, 1).contiguous()
        self._blocks = [_Bottleneck(block, size) for block in network.blocks if isinstance(block, MaskedBottleneck)]
        self._skips = [_Bottleneck(skip, size) for skip in network.skips if isinstance(skip, MaskedBottleneck)]
        self._head, self._logits = _Pointwise(network.head), _Pointwise(network.logits)

    @torch.no_grad()
    def logits(self, row: int, column: int) -> Tensor:
        """[N, C], a function of the maps and of the pixels set so far; to be asked once for each pixel, in order."""
        first = F.elu_(self._of_maps[row, column] + self._image.product(row, column))
        blocks, skips = (
            [partial(block, row=row, column=column) for block in stage] for stage in (self._blocks, self._skips)
        )
        last = chain(first, blocks, skips)
        return self._logits(F.elu_(self._head(last)))

    def set_pixel(self, row: int, column: int, values: Tensor) -> None:
        """values: [N, C]."""
        self._image.put(row, column, values)

    def images(self) -> Tensor:
        """[N, C, H, W]."""
        return self._image.whole().permute(0, 3, 1, 2).contiguous()


class _Window:
    """A masked convolution at one pixel, and its input [N, H, W, C] so far, in a frame of zeros.

    weight: [outputs, C, k, k] with zeros below the centre row; size: (N, H, W).
    """

    def __init__(self, weight: Tensor, size: tuple[int, ...]) -> None:
        outputs, channels, self._kernel, _ = weight.shape
        self._reach = self._kernel // 2
        count, height, width = size
        self._input = weight.new_zeros(count, height + self._reach, width + 2 * self._reach, channels)
        upper = weight[:, :, : self._reach + 1].permute(2, 3, 1, 0)
        self._weight = upper.reshape(-1, outputs)

    def put(self, row: int, column: int, values: Tensor) -> None:
        """values [N, C] of the input at a pixel."""
        self._input[:, row + self._reach, column + self._reach] = values

    def product(self, row: int, column: int) -> Tensor:
        """[N, outputs] at a pixel; what is not yet put counts as zero, and has no weight but at the pixel itself."""
        window = self._input[:, row : row + self._reach + 1, column : column + self._kernel]
        return window.flatten(1) @ self._weight

    def whole(self) -> Tensor:
        """[N, H, W, C]."""
        return self._input[:, self._reach :, self._reach : self._input.shape[2] - self._reach]


class _Pointwise:
    """A 1x1 convolution at one pixel: [N, inputs] -> [N, outputs]."""

    def __init__(self, layer: WeightNormalised) -> None:
        self._weight, self._bias = layer.weight().flatten(1), layer.bias

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self._weight, self._bias)


class _Bottleneck:
    """A `MaskedBottleneck` at one pixel."""

    def __init__(self, block: MaskedBottleneck, size: tuple[int, ...]) -> None:
        self._narrow, self._widen = _Pointwise(block.narrow), _Pointwise(block.widen)
        self._window, self._bias = _Window(block.masked.weight(), size), block.masked.bias

    def __call__(self, x: Tensor, row: int, column: int) -> Tensor:
        """[N, C] -> [N, C]."""
        self._window.put(row, column, F.elu_(self._narrow(x)))
        hidden = F.elu_(self._window.product(row, column) + self._bias)
        return F.elu_(self._widen(hidden) + x)
