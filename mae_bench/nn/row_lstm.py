"""The row LSTM of PixelRNN (van den Oord et al., 2016a, section 3.1): a recurrence down the rows of an image."""

import torch
from torch import Tensor, nn

from mae_bench.nn.causal import CausalConv2d, CausalRowConv2d
from mae_bench.nn.causal_networks import CausalHead
from mae_bench.nn.conv_lstm import next_memory
from mae_bench.nn.shifted_convolution import ShiftedConv2d


class RowLSTM(nn.Module):
    """x [B, width, H, W] -> the same, plus an LSTM over the rows whose gates see three columns of the row above.

    Eq. (3). Of the row itself they see a pixel, up to its own channel, and the one to its left; so a triangle above a
    pixel is seen. width: a multiple of the channels.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.from_input = CausalRowConv2d(width, 4 * width, 1, channels)
        self.from_state = ShiftedConv2d(width, 4 * width, left=1, right=1)
        self.out = CausalConv2d(width, width, 1, channels)

    def forward(self, x: Tensor) -> Tensor:
        state, cell = torch.zeros_like(x[:, :, :1]), torch.zeros_like(x[:, :, :1])
        rows = []
        for gates in self.from_input(x).split(1, dim=2):
            state, cell = next_memory(gates + self.from_state(state), cell)
            rows.append(state)
        result: Tensor = x + self.out(torch.cat(rows, dim=2))
        return result


class PixelRNN(nn.Module):
    """A 7x7 layer of kind A, row LSTMs and two 1x1 layers: images [B, C, H, W] -> [B, outputs, H, W]."""

    def __init__(self, channels: int, width: int, layers: int, outputs: int) -> None:
        super().__init__()
        if width % channels:
            raise ValueError(f"width must be a multiple of the {channels} channels, and is {width}")
        self.first = CausalConv2d(channels, width, 7, channels, "A")
        self.layers = nn.Sequential(*(RowLSTM(width, channels) for _ in range(layers)))
        self.head = CausalHead(width, outputs, channels)

    def forward(self, images: Tensor) -> Tensor:
        result: Tensor = self.head(self.layers(self.first(2 * images - 1)))
        return result
