"""PixelSNAIL: causal convolutions and attention over all pixels before (Chen et al., 2018)."""

from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.pixelcnn_unet import GatedResidual
from mae_bench.nn.precision import at_least_float32, head_in_float32
from mae_bench.nn.shifted_convolution import ShiftedConv2d, shifted_down, shifted_right
from mae_bench.nn.weight_norm import Conv2d

_KEYS = 16
_PLACES = 2
"""Maps that hold each pixel's row and column."""


def places(x: Tensor) -> Tensor:
    """[B, 2, H, W]: row / 32 and column / 32 of each pixel, alike in every image and whatever its size."""
    batch, _, height, width = x.shape
    rows = torch.arange(height, device=x.device, dtype=x.dtype)[:, None].expand(-1, width)
    columns = torch.arange(width, device=x.device, dtype=x.dtype).expand(height, -1)
    return torch.stack([rows, columns]).div(32).expand(batch, -1, -1, -1)


class CausalAttention(nn.Module):
    """Each pixel's query meets the keys of the pixels strictly before it and an empty one, whose value is zero.

    queries, memory: [B, maps, H, W], of which the memory at a pixel may hold that pixel -> [B, values, H, W].
    """

    def __init__(self, queries: int, memory: int, values: int) -> None:
        super().__init__()
        self.query = Conv2d(queries, _KEYS, 1)
        self.key = Conv2d(memory, _KEYS, 1)
        self.value = Conv2d(memory, values, 1)

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        query = self.query(queries).flatten(2).transpose(1, 2)
        # The empty one comes first and the last pixel, which nobody may see, falls out: then "up to" is "before".
        key, value = (
            F.pad(layer(memory).flatten(2), (1, 0))[:, :, :-1].transpose(1, 2) for layer in (self.key, self.value)
        )
        seen = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None], is_causal=True)[:, 0]
        result: Tensor = seen.transpose(1, 2).unflatten(2, queries.shape[2:])
        return result


class SnailBlock(nn.Module):
    """Gated residual blocks, attention over the images and what these blocks made of them, and a block of both."""

    def __init__(self, channels: int, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(GatedResidual(width, 0, dropout, left_only=True) for _ in range(blocks))
        self.attention = CausalAttention(width + _PLACES, channels + width + _PLACES, width // 2)
        self.join = GatedResidual(width, width // 2, dropout, left_only=True)

    def forward(self, hidden: Tensor, images: Tensor) -> Tensor:
        for block in self.blocks:
            hidden = block(hidden)
        where = places(images)
        seen = self.attention(torch.cat([hidden, where], dim=1), torch.cat([images, hidden, where], dim=1))
        result: Tensor = self.join(hidden, seen)
        return result


class PixelSNAIL(nn.Module):
    """Images [B, C, H, W] in [0, 1] -> [B, outputs, H, W], each pixel a function of all pixels before it.

    stages: blocks with attention, each of `blocks` gated residual ones and one more.
    """

    def __init__(self, channels: int, *, width: int, stages: int, blocks: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.row_above = ShiftedConv2d(channels, width, left=1, right=1)
        self.row_before = ShiftedConv2d(channels, width, above=1)
        self.stages = nn.ModuleList(SnailBlock(channels, width, blocks, dropout) for _ in range(stages))
        self.last = Conv2d(width, outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = 2 * images - 1
        hidden = self.row_above(shifted_down(x)) + self.row_before(shifted_right(x))
        for stage in cast(Iterable[SnailBlock], self.stages):
            hidden = stage(hidden, x)
        return head_in_float32(self.last, F.elu(at_least_float32(hidden)))
