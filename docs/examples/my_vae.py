"""A VAE in one file: two small networks, a standard normal prior, and beta times the KL in its loss."""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from mae_bench import Adapter, DataSpec, DiagonalGaussian, ImportanceTerms, Loss


class MyVAE(Adapter):
    """For binary tasks. latent: dimensions of z; beta: weight of the KL."""

    def __init__(self, data: DataSpec, preset: str, latent: int = 16, beta: float = 1.0) -> None:
        super().__init__(data, preset)
        self.beta = beta
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(data.dimensions, 200), nn.ELU(), nn.Linear(200, 2 * latent)
        )
        self.decoder = nn.Sequential(nn.Linear(latent, 200), nn.ELU(), nn.Linear(200, data.dimensions))

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return DiagonalGaussian(mean, log_variance)

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x).mean

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        posterior = self.posterior(x)
        prior = DiagonalGaussian(torch.zeros_like(posterior.mean), torch.zeros_like(posterior.mean))
        z = posterior.sample(samples)  # [B, samples, latent]
        logits = self.decoder(z)  # [B, samples, C * H * W]
        bits = x.flatten(1).unsqueeze(1).expand_as(logits)
        log_likelihood = -binary_cross_entropy_with_logits(logits, bits, reduction="none").sum(-1)
        return ImportanceTerms(log_likelihood, prior.log_density(z), posterior.log_density(z))

    def loss(self, x: Tensor) -> Loss:
        terms = self.importance_terms(x, samples=1)
        reconstruction_error = -terms.log_likelihood.mean()
        kl = (terms.log_posterior - terms.log_prior).mean()
        return Loss(reconstruction_error + self.beta * kl, {"reconstruction_error": reconstruction_error, "kl": kl})
