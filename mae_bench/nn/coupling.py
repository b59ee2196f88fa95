"""Affine couplings of images (Dinh et al., 2017): half of the values scaled and shifted by functions of the others."""

from collections.abc import Iterable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.precision import at_least_float32
from mae_bench.nn.resnet import ResidualBlock
from mae_bench.nn.shifted_convolution import ShiftedConv2d
from mae_bench.nn.weight_norm import Conv2d

_INITIAL_SCALE = 0.1
"""Standard deviation of a coupling's log-scale and shift after data-dependent initialisation."""


class Coupling(nn.Module):
    """y = x where mask is 1, x exp(s) + t elsewhere, with s and t of the masked x (eq. (9)); s is bounded.

    mask: broadcastable to x [N, C, H, W]. blocks: residual ones, of `width` maps.
    """

    mask: Tensor

    def __init__(self, mask: Tensor, channels: int, width: int, blocks: int) -> None:
        super().__init__()
        self.register_buffer("mask", mask, persistent=False)
        self.network = nn.Sequential(
            Conv2d(channels, width, 3, padding=1),
            *(ResidualBlock(width) for _ in range(blocks)),
            nn.ELU(),
            ShiftedConv2d(width, 2 * channels, initial_scale=_INITIAL_SCALE),
        )
        self.largest_log_scale = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x -> (y of the same shape, log |det dy/dx| [N])."""
        log_scale, shift = self._of(x)
        return x * torch.exp(log_scale) + shift, log_scale.flatten(1).sum(1)

    def inverse(self, y: Tensor) -> Tensor:
        """The x that leads to y."""
        log_scale, shift = self._of(y)
        return (y - shift) * torch.exp(-log_scale)

    def _of(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both zero where the mask is 1."""
        log_scale, shift = at_least_float32(self.network(x * self.mask)).chunk(2, dim=1)
        changed = 1 - self.mask
        return self.largest_log_scale * torch.tanh(log_scale) * changed, shift * changed


def checkerboard(size: tuple[int, int], *, odd: bool) -> Tensor:
    """[1, H, W]: 1 where row + column is even or, if odd, where it is odd."""
    rows, columns = torch.arange(size[0])[:, None], torch.arange(size[1])
    return ((rows + columns) % 2 == odd).float()[None]


def half_of_channels(channels: int, *, last: bool) -> Tensor:
    """[C, 1, 1]: 1 for the first half of the channels or, if last, for the last half."""
    return ((torch.arange(channels) >= channels // 2) == last).float()[:, None, None]


class MultiScaleFlow(nn.Module):
    """x [N, C, H, W] <-> z [N, C x H x W], over scales (Dinh et al., 2017, sections 3.4 to 3.6).

    At each scale but the last three checkerboard couplings, a squeeze of 2x2 pixels into channels and three couplings
    by channels, after which half of the channels is done; at the last four checkerboard couplings. Images of odd sides
    cannot be squeezed: where the first comes, the last scale is.
    """

    def __init__(self, shape: tuple[int, int, int], width: int, blocks: int, scales: int) -> None:
        super().__init__()
        channels, height, wide = shape
        self.splits = scales > 1 and height % 2 == 0 and wide % 2 == 0
        boards = [checkerboard((height, wide), odd=bool(i % 2)) for i in range(3 if self.splits else 4)]
        self.boards = nn.ModuleList(Coupling(mask, channels, width, blocks) for mask in boards)
        self.by_channel = nn.ModuleList()
        self.rest: MultiScaleFlow | None = None
        if self.splits:
            squeezed = 4 * channels
            halves = [half_of_channels(squeezed, last=bool(i % 2)) for i in range(3)]
            self.by_channel.extend(Coupling(mask, squeezed, width, blocks) for mask in halves)
            self.rest_shape = (squeezed // 2, height // 2, wide // 2)
            self.rest = MultiScaleFlow(self.rest_shape, width, blocks, scales - 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x -> (z [N, units], log |det dz/dx| [N])."""
        log_determinant = x.new_zeros(len(x))
        for coupling in self.boards:
            x, change = coupling(x)
            log_determinant = log_determinant + change
        if self.rest is None:
            return x.flatten(1), log_determinant
        x = F.pixel_unshuffle(x, 2)
        for coupling in self.by_channel:
            x, change = coupling(x)
            log_determinant = log_determinant + change
        done, rest = x.chunk(2, dim=1)
        z, change = self.rest(rest)
        return torch.cat([done.flatten(1), z], dim=1), log_determinant + change

    def inverse(self, z: Tensor, shape: tuple[int, int, int]) -> Tensor:
        """The x [N, *shape] that leads to z [N, units]."""
        x = z.view(len(z), *shape) if self.rest is None else self._joined(z, self.rest)
        for coupling in reversed(list(cast(Iterable[Coupling], self.boards))):
            x = coupling.inverse(x)
        return x

    def _joined(self, z: Tensor, rest: "MultiScaleFlow") -> Tensor:
        done, of_rest = z.chunk(2, dim=1)
        x = torch.cat([done.view(len(z), *self.rest_shape), rest.inverse(of_rest, self.rest_shape)], dim=1)
        for coupling in reversed(list(cast(Iterable[Coupling], self.by_channel))):
            x = coupling.inverse(x)
        return F.pixel_shuffle(x, 2)
