"""The PixelCNN with skip blocks of the authors' code, conditioned on maps (specification "PixelCNN decoder")."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
        hidden = F.elu(self.narrow(x), inplace=True)
        hidden = F.elu(self.masked(hidden), inplace=True)
        return F.elu(self.widen(hidden) + x, inplace=True)


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
        outputs = [F.elu(self.first(together), inplace=True)]
        for block in self.blocks:
            outputs.append(block(self._with_skip(outputs)))
        hidden = F.elu(self.head(self._with_skip(outputs)), inplace=True)
        logits: Tensor = self.logits(hidden)
        return logits

    def _with_skip(self, outputs: list[Tensor]) -> Tensor:
        """The newest output plus, from the third on, what a skip block carries from two outputs earlier."""
        j = len(outputs) - 3
        if j < 0:
            return outputs[-1]
        result: Tensor = outputs[-1] + self.skips[j](outputs[j])
        return result
