"""Encoders: an image -> features, from which a posterior is made."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.resnet import DownwardBlock, halved
from mae_bench.nn.weight_norm import Conv2d, WeightNormalised


class ResNetEncoder(nn.Module):
    """Residual blocks of stride 2 and these widths, then a valid convolution over what is left and ELU.

    [B, C, H, W] -> [B, features]. Specification "Encoder": widths 32, 64, 64 and 512 features for 28 x 28 images
    (28 -> 14 -> 7 -> 4). Square images of every size go through the same code: a stage halves them, rounded up.
    """

    def __init__(self, shape: tuple[int, int, int], widths: Sequence[int], features: int) -> None:
        super().__init__()
        channels, *size = shape
        rest = (size[0], size[1])
        stages: list[nn.Module] = []
        for width in widths:
            stages.append(DownwardBlock(channels, width))
            channels, rest = width, halved(rest)
        if rest[0] != rest[1]:
            raise ValueError(f"images must be square to be encoded, not {size[0]} x {size[1]}")
        self.stages = nn.Sequential(*stages)
        self.last: WeightNormalised = Conv2d(channels, features, rest[0])

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(self.last(self.stages(x))).flatten(1)
