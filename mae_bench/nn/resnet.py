"""Residual blocks that halve the size of their maps, double it or keep it."""

import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.weight_norm import Conv2d, ConvTranspose2d


def halved(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) after a stage of stride 2: halves, rounded up."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def open_side(size: tuple[int, int]) -> tuple[int, int]:
    """The output_padding with which a transposed convolution of stride 2 leads from `halved(size)` back to `size`."""
    return (size[0] + 1) % 2, (size[1] + 1) % 2


class DownwardBlock(nn.Module):
    """3x3 of stride 2, ELU, 3x3, plus a 1x1 stride-2 projection of the input, ELU.

    [B, C, H, W] -> [B, C', H/2, W/2], rounded up.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.second = Conv2d(outputs, outputs, 3, padding=1)
        self.projection = Conv2d(inputs, outputs, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.second(F.elu(self.first(x)))
        return F.elu(hidden + self.projection(x))


class UpwardBlock(nn.Module):
    """Pre-activation: ELU, transposed 3x3 of stride 2, ELU, transposed 3x3, plus a transposed 1x1 projection.

    [B, C, *halved(size)] -> [B, C', *size].
    """

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int]) -> None:
        super().__init__()
        padding = open_side(size)
        self.first = ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=padding)
        self.second = ConvTranspose2d(outputs, outputs, 3, padding=1)
        self.projection = ConvTranspose2d(inputs, outputs, 1, stride=2, output_padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.elu(self.first(F.elu(x)))
        result: Tensor = self.second(hidden) + self.projection(x)
        return result


class ResidualBlock(nn.Module):
    """Pre-activation: ELU, 3x3, ELU, 3x3, plus the input: [B, width, H, W] -> the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = Conv2d(width, width, 3, padding=1)
        self.second = Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.second(F.elu(self.first(F.elu(x))))
        return result
