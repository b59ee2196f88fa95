"""A residual block that keeps the size of its maps."""

import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.weight_norm import Conv2d


class ResidualBlock(nn.Module):
    """Pre-activation: ELU, 3x3, ELU, 3x3, plus the input: [B, width, H, W] -> the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = Conv2d(width, width, 3, padding=1)
        self.second = Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.second(F.elu(self.first(F.elu(x))))
        return result
