"""The encoder of binary images and its posterior (specification "Encoder")."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.adapter import DiagonalGaussian
from mae_bench.nn.resnet import DownwardBlock, halved
from mae_bench.nn.weight_norm import Conv2d, Linear, WeightNormalised


class ResNetEncoder(nn.Module):
    """Residual blocks of stride 2 and these widths, then a valid convolution over what is left and ELU.

    [B, C, H, W] -> [B, features]: widths 32, 64, 64 and 512 features at preset paper (28 -> 14 -> 7 -> 4). Images must
    be square, of any side; a block halves it, rounded up.
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


class GaussianPosterior(nn.Module):
    """A diagonal Gaussian whose mean and log-variance are linear in the features: [B, features] -> [B, units] each."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.parameters_of = Linear(features, 2 * units)

    def forward(self, features: Tensor) -> DiagonalGaussian:
        mean, log_variance = self.parameters_of(features).chunk(2, dim=1)
        return DiagonalGaussian(mean, log_variance)
