"""The PixelCNN with skip blocks of the authors' code, conditioned on maps (specification "PixelCNN decoder")."""

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.elu import elu_
from mae_bench.nn.incremental import PixelConv2d, pointwise
from mae_bench.nn.masked_convolution import ConditionalMaskedConv2d, MaskedConv2d
from mae_bench.nn.weight_norm import Conv2d


class MaskedBottleneck(nn.Module):
    """1x1 to half the channels, ELU, masked k x k, ELU, 1x1 back, plus the input, ELU: [B, C, H, W] -> the same."""

    def __init__(self, channels: int, kernel: int) -> None:
        super().__init__()
        self.narrow = Conv2d(channels, channels // 2, 1)
        self.masked = MaskedConv2d(channels // 2, channels // 2, kernel)
        self.widen = Conv2d(channels // 2, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = elu_(self.narrow(x))
        hidden = elu_(self.masked(hidden))
        return elu_(self.widen(hidden).add_(x))

    def pixelwise(self, batch: int, size: tuple[int, int]) -> Callable[[Tensor, int, int], Tensor]:
        """The block with its present weights, pixel by pixel in raster order: x [B, C], row, column -> [B, C]."""
        narrow, widen, bias = pointwise(self.narrow), pointwise(self.widen), self.masked.bias
        masked = PixelConv2d(self.masked.weight(), batch, size)

        def at_pixel(x: Tensor, row: int, column: int) -> Tensor:
            masked.put(F.elu_(narrow(x)), row, column)
            hidden = F.elu_(masked.at(row, column) + bias)
            return F.elu_(widen(hidden) + x)

        return at_pixel


class PixelCNN(nn.Module):
    """Image [B, C, H, W] and maps [B, M, H, W] -> a logit a channel, each a function of the maps and the pixels before.

    A mask-A layer of side kernels[0], a bottleneck block for each of `kernels` and a skip block for each but the last:
    with o_0 the output of the mask-A layer and o_1, o_2, ... those of the blocks, skip block j carries o_j to the input
    of block j + 3, the last of them to the final sum. Head: 1x1, ELU, 1x1.
    """

    def __init__(self, channels: int, maps: int, width: int, kernels: Sequence[int]) -> None:
        super().__init__()
        self.first = ConditionalMaskedConv2d(channels, maps, width, kernels[0])
        self.blocks = nn.ModuleList(MaskedBottleneck(width, kernel) for kernel in kernels)
        self.skips = nn.ModuleList(MaskedBottleneck(width, kernel) for kernel in kernels[:-1])
        self.head = Conv2d(width, width, 1)
        self.logits = Conv2d(width, channels, 1)

    def forward(self, images: Tensor, maps: Tensor) -> Tensor:
        together = torch.cat([images, maps], dim=1).contiguous(memory_format=torch.channels_last)
        last = _chain(elu_(self.first(together)), self.blocks, self.skips)
        logits: Tensor = self.logits(elu_(self.head(last)))
        return logits

    @torch.no_grad()
    def generate(self, maps: Tensor, draw: Callable[[Tensor], Tensor]) -> Tensor:
        """Images [B, C, H, W], pixel by pixel in raster order; draw: logits [B, C, 1, 1] -> values [B, C, 1, 1].

        A masked convolution sees a window of its input, and all between two of them is 1x1. With the inputs of the
        masked convolutions kept, a pixel costs its own windows, and an image the arithmetic of one pass.
        """
        first, batch, size = self.first, len(maps), (maps.shape[2], maps.shape[3])
        weight = first.weight()
        from_image = PixelConv2d(weight[:, : first.channels], batch, size)
        # The maps are known from the start: their part of the first layer is one convolution.
        from_maps = F.conv2d(maps, weight[:, first.channels :], first.bias, padding=first.reach)
        from_maps = from_maps.permute(2, 3, 0, 1).contiguous()
        blocks, skips = (
            [block.pixelwise(batch, size) for block in cast(Iterable[MaskedBottleneck], stage)]
            for stage in (self.blocks, self.skips)
        )
        head, logits = pointwise(self.head), pointwise(self.logits)
        images = maps.new_zeros(batch, first.channels, *size)
        for row, column in product(range(size[0]), range(size[1])):
            last = _chain(F.elu_(from_maps[row, column] + from_image.at(row, column)), blocks, skips, row, column)
            values = draw(logits(F.elu_(head(last)))[..., None, None])[..., 0, 0]
            from_image.put(values, row, column)
            images[:, :, row, column] = values
        return images


Layers = Sequence[Callable[..., Tensor]] | nn.ModuleList


def _chain(first: Tensor, blocks: Layers, skips: Layers, *where: int) -> Tensor:
    """The input of the head, from the output of the mask-A layer; where: (row, column) if at a single pixel."""
    outputs = [first]
    for block in blocks:
        outputs.append(block(_with_skip(outputs, skips, *where), *where))
    return _with_skip(outputs, skips, *where)


def _with_skip(outputs: list[Tensor], skips: Layers, *where: int) -> Tensor:
    """The newest output plus, from the third on, what a skip block carries from two outputs earlier."""
    j = len(outputs) - 3
    if j < 0:
        return outputs[-1]
    result: Tensor = outputs[-1] + skips[j](outputs[j], *where)
    return result
