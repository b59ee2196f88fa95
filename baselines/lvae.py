"""LVAE: a ladder of latents, whose posterior merges what comes from below and above (Sønderby et al., NeurIPS 2016)."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from mae_bench import DataSpec, DiagonalGaussian, ImportanceTerms
from mae_bench.nn.weight_norm import Linear
from mae_bench.vae import (
    MLP,
    HierarchicalVAE,
    bernoulli_log_likelihood,
    draw_from,
    gaussian_of,
    log_density_of,
    merged,
    size_at,
    standard_gaussian,
)


@dataclass(frozen=True)
class LadderSize:
    """units, hidden: of each layer of latents, from the image upwards; an MLP has two layers of width `hidden`.

    warm_up: steps over which the weight of the KL rises to 1; 200 epochs in the paper.
    """

    units: tuple[int, ...]
    hidden: tuple[int, ...]
    warm_up: int


SIZES = {
    "paper": LadderSize(units=(64, 32, 16, 8, 4), hidden=(512, 256, 128, 64, 32), warm_up=100_000),
    "medium": LadderSize(units=(64, 32, 16, 8, 4), hidden=(512, 256, 128, 64, 32), warm_up=2000),
    "small": LadderSize(units=(32, 16), hidden=(128, 64), warm_up=100),
    "smoke": LadderSize(units=(6, 3), hidden=(16, 8), warm_up=0),
}


class LVAE(HierarchicalVAE):
    """q(z_l | z_l+1, x) is the precision-weighted product of p(z_l | z_l+1) and of the encoder's Gaussian.

    Two layers of latents at preset small, five at paper; tanh and weight normalisation where the paper has leaky ReLU
    and batch normalisation. samples: K of the importance-weighted bound; 1 is the ELBO.
    """

    likelihoods = frozenset({"bernoulli"})

    def __init__(self, data: DataSpec, preset: str, samples: int = 1) -> None:
        size = size_at(preset, SIZES)
        super().__init__(data, preset, samples, size.warm_up)
        self.units = size.units
        inputs = [data.dimensions, *size.hidden[:-1]]
        self.upward = nn.ModuleList(MLP(i, (h, h)) for i, h in zip(inputs, size.hidden, strict=True))
        self.encoded = nn.ModuleList(Linear(h, 2 * u) for h, u in zip(size.hidden, size.units, strict=True))
        # What is below each layer of latents, from the image upwards.
        below = [data.dimensions, *(2 * units for units in size.units[:-1])]
        self.downward = nn.ModuleList(
            nn.Sequential(MLP(u, (h, h)), Linear(h, b)) for u, h, b in zip(size.units, size.hidden, below, strict=True)
        )

    def encode(self, x: Tensor) -> Tensor:
        """The posterior means of all layers, from the top downwards, each given those above it: [B, sum of units]."""
        means, z = [], None
        for layer, encoded in self._encoded(x):
            posterior = encoded if z is None else merged(encoded, gaussian_of(self.downward[layer + 1](z)))
            z = posterior.mean
            means.append(z)
        return torch.cat(means, dim=1)

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        log_prior = log_posterior = torch.zeros((), device=x.device)
        z = None
        for layer, encoded in self._encoded(x):
            rows = DiagonalGaussian(*(part.repeat_interleave(samples, 0) for part in vars(encoded).values()))
            prior = standard_gaussian(rows.mean) if z is None else gaussian_of(self.downward[layer + 1](z))
            posterior = rows if z is None else merged(rows, prior)
            z = draw_from(posterior)
            log_prior = log_prior + log_density_of(prior, z)
            log_posterior = log_posterior + log_density_of(posterior, z)
        log_likelihood = bernoulli_log_likelihood(x.repeat_interleave(samples, 0), self._logits(cast(Tensor, z)))
        return ImportanceTerms(*(term.view(-1, samples) for term in (log_likelihood, log_prior, log_posterior)))

    def reconstruct(self, x: Tensor) -> Tensor:
        return torch.bernoulli(torch.sigmoid(self._logits(self.encode(x)[:, -self.units[0] :])))

    def sample(self, count: int) -> Tensor:
        z = torch.randn(count, self.units[-1], device=next(self.parameters()).device)
        for layer in reversed(range(1, len(self.units))):
            z = draw_from(gaussian_of(self.downward[layer](z)))
        return torch.bernoulli(torch.sigmoid(self._logits(z)))

    def _encoded(self, x: Tensor) -> list[tuple[int, DiagonalGaussian]]:
        """(layer, the encoder's Gaussian there), from the top downwards."""
        features, found = x.flatten(1), []
        for layer, (upward, encoded) in enumerate(zip(self.upward, self.encoded, strict=True)):
            features = upward(features)
            found.append((layer, gaussian_of(encoded(features))))
        return found[::-1]

    def _logits(self, z: Tensor) -> Tensor:
        logits: Tensor = self.downward[0](z).view(-1, *self.data.shape)
        return logits
