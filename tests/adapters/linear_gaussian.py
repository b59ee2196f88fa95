"""A model of known likelihood: z ~ N(0, 1), x = W z + b + noise. For tests of the whole harness."""

import math

import torch
from torch import Tensor

from mae_bench import Adapter, DataSpec, DiagonalGaussian, FitContext, Images, ImportanceTerms


class LinearGaussian(Adapter):
    """One latent unit; p(x|z) = N(W z + b, noise^2). `fit` sets W, b and noise by probabilistic PCA, without any steps.

    widen: the importance proposal has this many times the standard deviation of the exact posterior.
    """

    likelihoods = frozenset({"bernoulli", "discretized_logistic_mixture"})  # the test that scores it knows the density

    def __init__(self, data: DataSpec, preset: str, widen: float = 1.2) -> None:
        super().__init__(data, preset)
        self.widen = widen
        self.register_buffer("loadings", torch.zeros(data.dimensions))
        self.register_buffer("offset", torch.zeros(data.dimensions))
        self.register_buffer("noise", torch.ones(()))

    def fit(self, train: Images, validation: Images, context: FitContext) -> None:
        x = train.batch(torch.arange(len(train)), context.generator).flatten(1).double()
        variances, directions = torch.linalg.eigh(torch.cov(x.T, correction=0))
        noise_variance = variances[:-1].mean()
        self.offset.copy_(x.mean(0))
        self.loadings.copy_(directions[:, -1] * torch.sqrt(variances[-1] - noise_variance))
        self.noise.copy_(noise_variance.sqrt())

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        precision = 1 + self.loadings.square().sum() / self.noise.square()
        mean = ((x.flatten(1) - self.offset) @ self.loadings / self.noise.square() / precision).unsqueeze(1)
        return DiagonalGaussian(mean, torch.full_like(mean, 2 * math.log(self.widen)) - precision.log())

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x).mean

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        posterior = self.posterior(x)
        z = posterior.sample(samples)
        expected = z * self.loadings + self.offset
        likelihood = torch.distributions.Normal(expected, self.noise).log_prob(x.flatten(1).unsqueeze(1)).sum(2)
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(2)
        return ImportanceTerms(likelihood, prior, posterior.log_density(z))
