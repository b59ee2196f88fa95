"""Inverse autoregressive flows: a Gaussian posterior made flexible, one pass a step (Kingma et al., 2016)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.adapter import DiagonalGaussian
from mae_bench.nn.made import MADE
from mae_bench.nn.masked_cnn import MaskedCNN
from mae_bench.nn.weight_norm import Conv2d, Linear
from mae_bench.vae.flows import INITIAL_SCALE

OPEN_GATE = 2.0
"""Added to the gate's logit, so that a step begins near the identity (Kingma et al., 2016, after eq. (14))."""


class ConditionalMADE(nn.Module):
    """z [N, units] and context [N, context] -> [N, units], output i a function of the context and z_0 ... z_{i-1}."""

    def __init__(self, units: int, context: int, hidden: int) -> None:
        super().__init__()
        self.made = MADE(units, hidden, INITIAL_SCALE)
        self.from_context = Linear(context, hidden)

    def forward(self, z: Tensor, context: Tensor) -> Tensor:
        result: Tensor = self.made(z, self.from_context(context))
        return result


class ConditionalMaskedCNN(nn.Module):
    """z [N, maps, H, W] and context [N, C, H, W] -> the shape of z, each position a function of those before it."""

    def __init__(self, maps: int, context: int, width: int) -> None:
        super().__init__()
        self.cnn = MaskedCNN(maps, width, INITIAL_SCALE)
        self.from_context = Conv2d(context, width, 1)

    def forward(self, z: Tensor, context: Tensor) -> Tensor:
        result: Tensor = self.cnn(z, self.from_context(context))
        return result


class InverseFlowStep(nn.Module):
    """z' = gate z + (1 - gate) m, with gate = sigmoid(s) and (m, s) autoregressive in z (eqs. (13) and (14))."""

    def __init__(self, make_network: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.shift = make_network()
        self.gate = make_network()

    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """z [N, ...] -> (z' of the same shape, log |det dz'/dz| [N])."""
        logit = self.gate(z, context) + OPEN_GATE
        gate = torch.sigmoid(logit)
        return gate * z + (1 - gate) * self.shift(z, context), F.logsigmoid(logit).flatten(1).sum(1)


class InverseFlow(nn.Module):
    """Steps in turn, each in the reverse order of the one before.

    z comes and goes flat, [N, units]; the steps see it as [N, *shape]. ordered: the dimensions along which the order
    runs there.
    """

    def __init__(
        self, shape: tuple[int, ...], ordered: tuple[int, ...], steps: int, make_network: Callable[[], nn.Module]
    ) -> None:
        super().__init__()
        if steps < 0:
            raise ValueError(f"steps must not be negative, and is {steps}")
        self.shape, self.ordered = shape, ordered
        self.steps = nn.ModuleList(InverseFlowStep(make_network) for _ in range(steps))

    def forward(self, z: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """z [N, units], context [N, ...] -> (z' [N, units], log |det dz'/dz| [N])."""
        u, log_determinant = z.view(len(z), *self.shape), z.new_zeros(len(z))
        for number, step in enumerate(self.steps):
            # Maps stay where they are in the image: a step in reverse order is turned back after it.
            turned = self.ordered if number % 2 else ()
            u, change = step(u.flip(turned), context if context.ndim == 2 else context.flip(turned))
            u, log_determinant = u.flip(turned), log_determinant + change
        return u.flatten(1), log_determinant


def unit_inverse_flow(units: int, context: int, steps: int, hidden: int) -> InverseFlow:
    """Over units, each step by two conditional MADEs."""
    return InverseFlow((units,), (1,), steps, partial(ConditionalMADE, units, context, hidden))


def map_inverse_flow(shape: tuple[int, int, int], context: int, steps: int, width: int) -> InverseFlow:
    """Over maps, each step by two conditional masked CNNs; shape: (maps, height, width)."""
    return InverseFlow(shape, (2, 3), steps, partial(ConditionalMaskedCNN, shape[0], context, width))


@dataclass(frozen=True)
class GaussianInContext(DiagonalGaussian):
    """A Gaussian and the features [B, ...] that it was made from, which the steps of a flow see too."""

    context: Tensor


class PosteriorInContext(nn.Module):
    """features [B, ...] -> the Gaussian that `gaussian` makes of them, with the features."""

    def __init__(self, gaussian: nn.Module) -> None:
        super().__init__()
        self.gaussian = gaussian

    def forward(self, features: Tensor) -> GaussianInContext:
        start = self.gaussian(features)
        return GaussianInContext(start.mean, start.log_variance, features)
