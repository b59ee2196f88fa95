"""The PixelCNN with skip blocks of the authors' code, conditioned on maps (specification "PixelCNN decoder")."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from mae_bench.nn.elu import elu_
from mae_bench.nn.masked_convolution import ConditionalMaskedConv2d, MaskedConv2d
from mae_bench.nn.weight_norm import Conv2d

Layer = Callable[[Tensor], Tensor]


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
        last = chain(elu_(self.first(together)), self.blocks, self.skips)
        logits: Tensor = self.logits(elu_(self.head(last)))
        return logits


def chain(first: Tensor, blocks: Iterable[Layer], skips: Sequence[Layer] | nn.ModuleList) -> Tensor:
    """The input of the head, from the output of the mask-A layer: blocks in a row, and from the third on, at each what
    a skip block makes of the output before the last.
    """
    outputs = [first]
    for block in blocks:
        outputs.append(block(_with_skip(outputs, skips)))
    return _with_skip(outputs, skips)


def _with_skip(outputs: list[Tensor], skips: Sequence[Layer] | nn.ModuleList) -> Tensor:
    """The newest output plus, from the third on, what a skip block carries from two outputs earlier."""
    j = len(outputs) - 3
    if j < 0:
        return outputs[-1]
    result: Tensor = outputs[-1] + skips[j](outputs[j])
    return result
