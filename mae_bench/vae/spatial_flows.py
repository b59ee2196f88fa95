"""The prior over maps: affine autoregressive steps in two dimensions, by masked convolutions."""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.masked_convolution import MaskedConv2d
from mae_bench.nn.shifted_convolution import GrowingConv2d
from mae_bench.vae.priors import FLOW_INITIAL_SCALE

_KERNEL = 3
_LOG_TWO_PI = math.log(2 * math.pi)


class MaskedCNN(nn.Module):
    """[N, maps, H, W] -> the same shape, each position a function of the positions before it in raster order.

    Three masked 3x3 layers with ELU between them, the second residual, and a masked direct connection from input to
    output. No map depends on another at the same position.
    """

    def __init__(self, maps: int, width: int) -> None:
        super().__init__()
        self.first = MaskedConv2d(maps, width, _KERNEL, "A", FLOW_INITIAL_SCALE)
        self.second = MaskedConv2d(width, width, _KERNEL, "B", FLOW_INITIAL_SCALE)
        self.third = MaskedConv2d(width, maps, _KERNEL, "B", FLOW_INITIAL_SCALE)
        self.direct = MaskedConv2d(maps, maps, _KERNEL, "A", FLOW_INITIAL_SCALE)

    def forward(self, z: Tensor) -> Tensor:
        hidden = F.elu(self.first(z))
        hidden = F.elu(hidden + self.second(hidden))
        result: Tensor = self.third(hidden) + self.direct(z)
        return result


class GrowingMaskedCNN:
    """A `MaskedCNN` over z [batch, maps, *size] that becomes known position by position, every activation made once."""

    def __init__(self, network: MaskedCNN, batch: int, size: tuple[int, int]) -> None:
        def growing(layer: MaskedConv2d) -> GrowingConv2d:
            return GrowingConv2d(layer.weight()[:, :, : layer.reach + 1], layer.bias, layer.reach, batch, size)

        self.first, self.second = growing(network.first), growing(network.second)
        self.third, self.direct = growing(network.third), growing(network.direct)

    def at(self, row: int, column: int) -> Tensor:
        """The output at the next position, [batch, maps, 1, 1], of what is known before it."""
        hidden = F.elu(self.first.at(row, column))
        hidden = F.elu(hidden + self.second(hidden, row, column))
        return self.third(hidden, row, column) + self.direct.at(row, column)

    def put(self, z: Tensor, row: int, column: int) -> None:
        """Let z there be [batch, maps, 1, 1]."""
        self.first.put(z, row, column)
        self.direct.put(z, row, column)


class SpatialFlowStep(nn.Module):
    """u_i = m_i(z) + z_i exp(s_i(z) / 2) at each position i, m_i and s_i functions of the positions before it."""

    def __init__(self, maps: int, width: int) -> None:
        super().__init__()
        self.shift = MaskedCNN(maps, width)
        self.log_scale = MaskedCNN(maps, width)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [N, maps, H, W] -> (u of the same shape, log |det du/dz| [N]), in one pass."""
        half = 0.5 * self.log_scale(z)
        return self.shift(z) + z * torch.exp(half), half.flatten(1).sum(1)

    @torch.no_grad()
    def inverse(self, u: Tensor) -> Tensor:
        """u [N, maps, H, W] -> z, position by position."""
        size = (u.shape[2], u.shape[3])
        shift, log_scale = (GrowingMaskedCNN(part, len(u), size) for part in (self.shift, self.log_scale))
        z = torch.zeros_like(u)
        for row in range(size[0]):
            for column in range(size[1]):
                at = (..., slice(row, row + 1), slice(column, column + 1))
                z[at] = (u[at] - shift.at(row, column)) * torch.exp(-0.5 * log_scale.at(row, column))
                shift.put(z[at], row, column)
                log_scale.put(z[at], row, column)
        return z


class SpatialFlowPrior(nn.Module):
    """A standard Gaussian over maps seen through affine autoregressive steps, every other one in reversed raster order.

    Paper B.2: eight steps over 16 maps of 8x8, each a three-layer masked CNN with 128 maps. shape: (maps, height,
    width); z comes and goes flat, [N, maps x height x width]. The density is one pass; a sample costs the arithmetic of
    one pass too, but goes position by position.
    """

    def __init__(self, shape: tuple[int, int, int], steps: int, width: int) -> None:
        super().__init__()
        self.shape = shape
        self.steps = nn.ModuleList(SpatialFlowStep(shape[0], width) for _ in range(steps))

    def log_density(self, z: Tensor) -> Tensor:
        """log p(z): z [N, units] -> [N], nats."""
        maps = z.view(-1, *self.shape)
        log_determinant = z.new_zeros(len(z))
        for number, step in enumerate(self.steps):
            maps, change = step(maps if number == 0 else _reversed(maps))
            log_determinant = log_determinant + change
        return -0.5 * (maps.square() + _LOG_TWO_PI).flatten(1).sum(1) + log_determinant

    def sample(self, count: int) -> Tensor:
        """[count, units] from p(z)."""
        example = next(self.parameters())
        maps = torch.randn(count, *self.shape, device=example.device, dtype=example.dtype)
        for number in reversed(range(len(self.steps))):
            maps = cast(SpatialFlowStep, self.steps[number]).inverse(maps)
            maps = maps if number == 0 else _reversed(maps)
        return maps.flatten(1)


def _reversed(maps: Tensor) -> Tensor:
    """The positions in reversed raster order."""
    return maps.flip(2, 3)
