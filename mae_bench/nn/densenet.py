"""Densely connected convolutions (Huang et al., 2017), as the encoder of natural images uses them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.weight_norm import Conv2d


class DenseStep(nn.Module):
    """1x1 to 4 x growth, ELU, 3x3 to growth, concatenated with the input, ELU.

    [B, C, H, W] -> [B, C + growth, H, W]
    """

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.narrow = Conv2d(inputs, 4 * growth, 1)
        self.spatial = Conv2d(4 * growth, growth, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        new = self.spatial(F.elu(self.narrow(x)))
        return F.elu(torch.cat([x, new], dim=1))


class DenseBlock(nn.Sequential):
    """`steps` dense steps: [B, C, H, W] -> [B, C + steps x growth, H, W]."""

    def __init__(self, inputs: int, growth: int, steps: int) -> None:
        super().__init__(*(DenseStep(inputs + step * growth, growth) for step in range(steps)))
        self.outputs = inputs + steps * growth
