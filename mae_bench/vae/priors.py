"""Priors: log p(z) in nats and draws from it."""

import math
from typing import cast

import torch
from torch import Tensor, nn

from mae_bench.nn.made import MADE
from mae_bench.nn.weight_norm import folded_weights

FLOW_INITIAL_SCALE = 0.1
"""Standard deviation of each layer's output in the flows after data-dependent initialisation (specification)."""
_LOG_TWO_PI = math.log(2 * math.pi)


class AffineFlowStep(nn.Module):
    """u_i = m_i(z) + z_i exp(s_i(z) / 2), m_i and s_i functions of z_1..z_{i-1} by one MADE each."""

    def __init__(self, units: int, hidden: int) -> None:
        super().__init__()
        self.shift = MADE(units, hidden, FLOW_INITIAL_SCALE)
        self.log_scale = MADE(units, hidden, FLOW_INITIAL_SCALE)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [N, units] -> (u [N, units], log |det du/dz| [N]), in one pass."""
        half = 0.5 * self.log_scale(z)
        return self.shift(z) + z * torch.exp(half), half.sum(1)

    def inverse(self, u: Tensor) -> Tensor:
        """u [N, units] -> z, one pass for each unit."""
        z = torch.zeros_like(u)
        for unit in range(u.shape[1]):
            shift, log_scale = self.shift(z)[:, unit], self.log_scale(z)[:, unit]
            z[:, unit] = (u[:, unit] - shift) * torch.exp(-0.5 * log_scale)
        return z


class AutoregressiveFlowPrior(nn.Module):
    """A standard Gaussian seen through affine autoregressive steps, the order of the units reversed between steps.

    Paper section 4.1 (AF prior with MADE), specification "Autoregressive-flow prior". The density is one pass, a sample
    one pass for each unit and step.
    """

    def __init__(self, units: int, steps: int, hidden: int) -> None:
        super().__init__()
        self.units = units
        self.steps = nn.ModuleList(AffineFlowStep(units, hidden) for _ in range(steps))

    def log_density(self, z: Tensor) -> Tensor:
        """log p(z): z [N, units] -> [N], nats."""
        log_determinant = z.new_zeros(z.shape[0])
        for number, step in enumerate(self.steps):
            z, change = step(z if number == 0 else z.flip(1))
            log_determinant = log_determinant + change
        return -0.5 * (z.square() + _LOG_TWO_PI).sum(1) + log_determinant

    def sample(self, count: int) -> Tensor:
        """[count, units] from p(z)."""
        example = next(self.parameters())
        z = torch.randn(count, self.units, device=example.device, dtype=example.dtype)
        with folded_weights(self):
            for number in reversed(range(len(self.steps))):
                z = cast(AffineFlowStep, self.steps[number]).inverse(z)
                z = z if number == 0 else z.flip(1)
        return z
