"""Priors by affine autoregressive flows: log p(z) in nats and draws from it."""

import math
from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn

from mae_bench.nn.made import MADE
from mae_bench.nn.masked_cnn import MaskedCNN
from mae_bench.nn.weight_norm import folded_weights

INITIAL_SCALE = 0.1
"""Standard deviation of each layer's output in the flows after data-dependent initialisation (specification)."""
_LOG_TWO_PI = math.log(2 * math.pi)

MakeNetwork = Callable[[], MADE | MaskedCNN]


class AffineStep(nn.Module):
    """u_i = m_i(z) + z_i exp(s_i(z) / 2), with shift m_i and log-scale s_i functions of what comes before i in z."""

    def __init__(self, make_network: MakeNetwork) -> None:
        super().__init__()
        self.shift = make_network()
        self.log_scale = make_network()

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [N, ...] -> (u of the same shape, log |det du/dz| [N]), in one pass."""
        half = 0.5 * self.log_scale(z)
        return self.shift(z) + z * torch.exp(half), half.flatten(1).sum(1)

    @torch.no_grad()
    def inverse(self, u: Tensor) -> Tensor:
        """u [N, ...] -> z of the same shape, one i after another; without gradients."""
        z = torch.zeros_like(u)
        for (place, shift), (_, log_scale) in zip(self.shift.in_order(z), self.log_scale.in_order(z), strict=True):
            z[place] = (u[place] - shift) * torch.exp(-0.5 * log_scale)
        return z


class FlowPrior(nn.Module):
    """A standard Gaussian seen through affine autoregressive steps, in reversed order at every other one.

    z comes and goes flat, [N, units]; the steps see it as [N, *shape]. ordered: the dimensions along which the order
    runs there.
    """

    def __init__(self, shape: tuple[int, ...], ordered: tuple[int, ...], steps: int, make_network: MakeNetwork) -> None:
        super().__init__()
        self.shape = shape
        self.ordered = ordered
        self.steps = nn.ModuleList(AffineStep(make_network) for _ in range(steps))

    def log_density(self, z: Tensor) -> Tensor:
        """log p(z): z [N, units] -> [N], nats."""
        u = z.view(len(z), *self.shape)
        log_determinant = z.new_zeros(len(z))
        for number, step in enumerate(self.steps):
            u, change = step(u if number == 0 else u.flip(self.ordered))
            log_determinant = log_determinant + change
        return -0.5 * (u.square() + _LOG_TWO_PI).flatten(1).sum(1) + log_determinant

    def sample(self, count: int) -> Tensor:
        """[count, units] from p(z); without gradients."""
        example = next(self.parameters())
        z = torch.randn(count, *self.shape, device=example.device, dtype=example.dtype)
        with folded_weights(self):
            for number in reversed(range(len(self.steps))):
                z = cast(AffineStep, self.steps[number]).inverse(z)
                z = z if number == 0 else z.flip(self.ordered)
        return z.flatten(1)


class UnitFlowPrior(FlowPrior):
    """The prior over units, each step by two MADEs (paper section 4.1, specification "Autoregressive-flow prior").

    The density is one pass, a sample one pass for each unit and step.
    """

    def __init__(self, units: int, steps: int, hidden: int) -> None:
        super().__init__((units,), (1,), steps, partial(MADE, units, hidden, INITIAL_SCALE))


class MapFlowPrior(FlowPrior):
    """The prior over maps, each step by two masked CNNs in raster order.

    Paper B.2: eight steps over 16 maps of 8x8, each a three-layer masked CNN with 128 maps. shape: (maps, height,
    width). The density is one pass; a sample costs the arithmetic of one pass too, but goes position by position.
    """

    def __init__(self, shape: tuple[int, int, int], steps: int, width: int) -> None:
        super().__init__(shape, (2, 3), steps, partial(MaskedCNN, shape[0], width, INITIAL_SCALE))
