"""Parts of VAEs whose latents come in groups, each drawn given the groups before it."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mae_bench.adapter import Adapter, DataSpec, DiagonalGaussian, Loss, NotSupported
from mae_bench.nn.precision import at_least_float32
from mae_bench.nn.weight_norm import data_dependent_initialisation
from mae_bench.vae.natural.encoder import LOG_VARIANCE_BOUND
from mae_bench.vae.objectives import ImportanceWeighted


def gaussian_of(parameters: Tensor) -> DiagonalGaussian:
    """A Gaussian from [N, 2 D, ...]: its mean and its log-variance, each flat, [N, D x ...]."""
    mean, log_variance = at_least_float32(parameters).chunk(2, dim=1)
    bounded = F.hardtanh(log_variance, -LOG_VARIANCE_BOUND, LOG_VARIANCE_BOUND)
    return DiagonalGaussian(mean.flatten(1), bounded.flatten(1))


def standard_gaussian(like: Tensor) -> DiagonalGaussian:
    """N(0, I) with a row for each of `like` [N, D]."""
    return DiagonalGaussian(torch.zeros_like(like), torch.zeros_like(like))


def merged(first: DiagonalGaussian, second: DiagonalGaussian) -> DiagonalGaussian:
    """The normalised product of two Gaussians [N, D]: precisions add up (Sønderby et al., 2016)."""
    precision, other = torch.exp(-first.log_variance), torch.exp(-second.log_variance)
    mean = (first.mean * precision + second.mean * other) / (precision + other)
    return DiagonalGaussian(mean, -torch.logaddexp(-first.log_variance, -second.log_variance))


def draw_from(gaussian: DiagonalGaussian) -> Tensor:
    """One draw for each row: [N, D]."""
    return gaussian.sample(1).squeeze(1)


def log_density_of(gaussian: DiagonalGaussian, z: Tensor) -> Tensor:
    """z [N, D] -> [N], nats."""
    return gaussian.log_density(z.unsqueeze(1)).squeeze(1)


class HierarchicalVAE(Adapter):
    """A VAE with several groups of latents; a subclass answers `importance_terms`, `encode` and `sample`.

    samples: K of the importance-weighted bound that is its loss; 1 is the ELBO. warm_up: steps over which the weight of
    the KL rises to 1. `posterior` is not supported: q(z|x) is a chain of conditional Gaussians, and the divergences
    between those of its first group alone, the only one that is a Gaussian given x, would not be comparable with those
    of other models.
    """

    def __init__(self, data: DataSpec, preset: str, samples: int = 1, warm_up: int = 0) -> None:
        super().__init__(data, preset)
        if samples < 1:
            raise ValueError(f"samples must be positive, and is {samples}")
        self.samples = samples
        self.objective = ImportanceWeighted(warm_up)

    def initialise(self, x: Tensor) -> None:
        """Data-dependent initialisation of every layer by one pass."""
        self.eval()
        with torch.no_grad(), data_dependent_initialisation(self):
            self.importance_terms(x, 1)

    def loss(self, x: Tensor) -> Loss:
        """The negative importance-weighted bound."""
        terms = self.importance_terms(x, self.samples)
        result: Loss = self.objective(-terms.log_likelihood, terms.log_posterior - terms.log_prior)
        return result

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        raise NotSupported(
            "not supported by this model: its posterior is a chain of Gaussians, each given those before"
        )
