"""A convolutional LSTM cell (Shi et al., 2015, eq. (3), without peepholes)."""

import torch
from torch import Tensor, nn

from mae_bench.nn.weight_norm import Conv2d


def next_memory(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """The next (state, cell) of an LSTM: gates [B, 4 width, ...] before their nonlinearities, cell [B, width, ...]."""
    forget, write, read, content = gates.chunk(4, dim=1)
    cell = torch.sigmoid(forget) * cell + torch.sigmoid(write) * torch.tanh(content)
    return torch.sigmoid(read) * torch.tanh(cell), cell


class ConvLSTMCell(nn.Module):
    """x [B, inputs, H, W] and (state, cell) [B, width, H, W] each -> the next (state, cell); kernel: of odd side."""

    def __init__(self, inputs: int, width: int, kernel: int) -> None:
        super().__init__()
        self.gates = Conv2d(inputs + width, 4 * width, kernel, padding=kernel // 2)

    def forward(self, x: Tensor, memory: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        state, cell = memory
        return next_memory(self.gates(torch.cat([x, state], dim=1)), cell)
