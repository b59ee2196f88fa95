"""A model whose likelihood is known in closed form, and images for it."""

from math import log, pi

import torch
from torch import Tensor

from mae_bench.adapter import Adapter, DataSpec, DiagonalGaussian, ImportanceTerms

SPEC = DataSpec(shape=(1, 2, 3), likelihood="bernoulli", train_size=100, classes=2)


class FixedImages:
    """Test images with bits drawn once."""

    def __init__(self, count: int) -> None:
        self.x = (torch.rand(count, *SPEC.shape, generator=torch.Generator().manual_seed(5)) < 0.5).float()

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return self.x[indices]


class LinearGaussian(Adapter):
    """x = W z + noise with z standard normal, so that x is Gaussian with covariance W W' + s^2 I.

    The proposal is the exact posterior's mean with `widening` times its marginal standard deviations.
    """

    def __init__(self, data: DataSpec = SPEC, preset: str = "small", widening: float = 1.1) -> None:
        super().__init__(data, preset)
        self.widening = widening
        self.asked: list[tuple[int, int]] = []
        self.weight = 0.4 * torch.randn(data.dimensions, 2, generator=torch.Generator().manual_seed(1))
        self.variance = 0.7

    def exact_log_likelihood(self, x: Tensor) -> Tensor:
        weight = self.weight.double()
        covariance = weight @ weight.T + self.variance * torch.eye(len(weight), dtype=torch.float64)
        zero = torch.zeros(len(weight), dtype=torch.float64)
        return torch.distributions.MultivariateNormal(zero, covariance).log_prob(x.flatten(1).double())

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        self.asked.append((len(x), samples))
        precision = torch.eye(2) + self.weight.T @ self.weight / self.variance
        mean = x.flatten(1) @ self.weight / self.variance @ torch.linalg.inv(precision)
        spread = self.widening**2 * torch.linalg.inv(precision).diagonal()
        posterior = DiagonalGaussian(mean, spread.log().expand_as(mean))
        z = posterior.sample(samples)
        residual = (x.flatten(1).unsqueeze(1) - z @ self.weight.T).square().sum(-1)
        log_likelihood = -0.5 * (residual / self.variance + len(self.weight) * log(2 * pi * self.variance))
        log_prior = -0.5 * (z.square() + log(2 * pi)).sum(-1)
        return ImportanceTerms(log_likelihood, log_prior, posterior.log_density(z))
