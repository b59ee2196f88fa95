"""The encoder of natural images and its posterior over maps (specification "CIFAR-10")."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.adapter import DiagonalGaussian
from mae_bench.nn.densenet import DenseBlock
from mae_bench.nn.resnet import halved
from mae_bench.nn.weight_norm import Conv2d

LOG_VARIANCE_BOUND = 7.0
"""The posterior's log-variance is clipped to plus or minus this, as in the authors' code."""


def latent_size(shape: tuple[int, int, int]) -> tuple[int, int]:
    """(height, width) of the latent maps for images of `shape`: halved twice, rounded up; 8x8 for 32x32."""
    return halved(halved((shape[1], shape[2])))


class DenseNetEncoder(nn.Module):
    """Dense block, 3x3 of stride 2, ELU, dense block, 3x3 of stride 2, ELU, dense block, 1x1, ELU.

    [B, C, H, W] in [0, 1] -> [B, features, H/4, W/4], rounded up. growths, steps: one each for the three dense blocks;
    a layer of stride 2 keeps the number of maps. At preset paper growth 15, 16, 16 in 3, 3, 6 steps (3 -> 48, 48 -> 96,
    96 -> 192 maps) and 96 features.
    """

    def __init__(self, channels: int, growths: Sequence[int], steps: Sequence[int], features: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for growth, count in zip(growths, steps, strict=True):
            if layers:
                layers += [Conv2d(channels, channels, 3, stride=2, padding=1), nn.ELU()]
            block = DenseBlock(channels, growth, count)
            layers.append(block)
            channels = block.outputs
        self.layers = nn.Sequential(*layers, Conv2d(channels, features, 1), nn.ELU())

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.layers(2 * x - 1)
        return result


class MapPosterior(nn.Module):
    """A diagonal Gaussian over `maps` maps: mean and log-variance by a 1x1 convolution, the latter clipped to +-7.

    [B, features, H, W] -> mean and log_variance [B, maps x H x W].
    """

    def __init__(self, features: int, maps: int) -> None:
        super().__init__()
        self.parameters_of = Conv2d(features, 2 * maps, 1)

    def forward(self, features: Tensor) -> DiagonalGaussian:
        mean, log_variance = self.parameters_of(features).chunk(2, dim=1)
        clipped = F.hardtanh(log_variance, -LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)
        return DiagonalGaussian(mean.flatten(1), clipped.flatten(1))
