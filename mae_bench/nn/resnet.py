"""Residual blocks of stride 2, downwards for the encoder and upwards for the factorised decoder."""

import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.weight_norm import Conv2d, ConvTranspose2d


def halved(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) after a stage of stride 2: halves, rounded up."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


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

    [B, C, H, W] -> [B, C', *output_size]; `output_size` must halve (rounded up) to `input_size`.
    """

    def __init__(self, inputs: int, outputs: int, input_size: tuple[int, int], output_size: tuple[int, int]) -> None:
        super().__init__()
        open_side = (output_size[0] - 2 * input_size[0] + 1, output_size[1] - 2 * input_size[1] + 1)
        self.first = ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=open_side)
        self.second = ConvTranspose2d(outputs, outputs, 3, padding=1)
        self.projection = ConvTranspose2d(inputs, outputs, 1, stride=2, output_padding=open_side)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.elu(self.first(F.elu(x)))
        result: Tensor = self.second(hidden) + self.projection(x)
        return result
