"""The VAE behind all baselines: five exchangeable parts that answer the adapter's contract together."""

import sys
from collections.abc import Set
from typing import ClassVar, Protocol, cast

import torch
from torch import Tensor, nn

from mae_bench.adapter import Adapter, DataSpec, DiagonalGaussian, ImportanceTerms, Likelihood, Loss
from mae_bench.nn.parallel import in_parts
from mae_bench.nn.precision import at_least_float32, in_float32
from mae_bench.nn.weight_norm import data_dependent_initialisation, folded_weights
from mae_bench.vae.parts import Networks


class Objective(Protocol):
    """The loss, from the two terms of the ELBO for each draw, [B, samples] each, and the posterior of the batch."""

    def __call__(self, reconstruction_error: Tensor, kl: Tensor, posterior: DiagonalGaussian) -> Loss: ...


class VAE(Adapter):
    """x -> encoder -> posterior -> z -> decoder, with a prior over z (paper eqs. (1) to (3)).

    networks: encoder, posterior, prior and decoder, as `autoregressive_networks` and `factorised_networks` make them.
    objective: the loss to minimise. samples: how many draws from each posterior it is given.

    Under autocast, encoder and decoder compute in its precision; posterior, prior, densities and objective in float32.
    """

    likelihoods: ClassVar[Set[Likelihood]] = frozenset({"bernoulli", "discretized_logistic_mixture"})

    def __init__(
        self, data: DataSpec, preset: str, *, networks: Networks, objective: Objective, samples: int = 1
    ) -> None:
        super().__init__(data, preset)
        if samples < 1:
            raise ValueError(f"samples must be positive, and is {samples}")
        self.encoder = networks.encoder
        self.posterior_of = networks.posterior
        self.prior = networks.prior
        self.decoder = networks.decoder
        self.objective = objective
        self.samples = samples
        self._rows_at_once = sys.maxsize

    def initialise(self, x: Tensor) -> None:
        """Data-dependent initialisation: one pass through every layer, each fitted to mean 0 and its own scale.

        Leaves the model in evaluation mode: in training mode the layers would be fitted to what dropout leaves.
        """
        self.eval()
        with torch.no_grad(), data_dependent_initialisation(self):
            z = self.draw(self.gaussian(x), 1)[0].squeeze(1)
            self.prior.log_density(z)
            self.decoder.log_likelihood(x, z)

    def gaussian(self, x: Tensor) -> DiagonalGaussian:
        """The Gaussian that draws begin with, which is q(z|x) unless `draw` goes on: mean and log_variance [B, D]."""
        features = at_least_float32(self.encoder(x))
        with in_float32(x.device):
            posterior: DiagonalGaussian = self.posterior_of(features)
        return posterior

    def draw(self, posterior: DiagonalGaussian, samples: int) -> tuple[Tensor, Tensor]:
        """z ~ q(z|x) and log q(z|x), nats: [B, samples, D] and [B, samples].

        posterior: what `gaussian` gives. A model whose posterior is not Gaussian transforms the draws here.
        """
        z = posterior.sample(samples)
        return z, posterior.log_density(z)

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        """q(z|x): mean and log_variance [B, D]."""
        return self.gaussian(x)

    def encode(self, x: Tensor) -> Tensor:
        """The posterior mean: [B, D]."""
        return self.gaussian(x).mean

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        """The log-densities of `samples` draws z_k ~ q(z|x) for each image: [B, samples] each."""
        return self._terms(x, self.gaussian(x), samples)

    def loss(self, x: Tensor) -> Loss:
        """The objective, from `samples` posterior samples an image."""
        posterior = self.gaussian(x)
        terms = self._terms(x, posterior, self.samples)
        kl = terms.log_posterior - terms.log_prior
        with in_float32(x.device):
            return self.objective(-terms.log_likelihood, kl, posterior)

    def reconstruct(self, x: Tensor) -> Tensor:
        """A draw from p(x|z) at z = the representation: [B, C, H, W]."""
        with torch.no_grad():
            return self.decoder.sample(self.encode(x))

    def sample(self, count: int) -> Tensor:
        """z from the prior, then x from p(x|z): [count, C, H, W]."""
        with torch.no_grad():
            return self.decoder.sample(self.prior.sample(count))

    def _terms(self, x: Tensor, posterior: DiagonalGaussian, samples: int) -> ImportanceTerms:
        with in_float32(x.device):
            z, log_posterior = self.draw(posterior, samples)
        rows = z.flatten(0, 1)
        images = x.repeat_interleave(samples, dim=0)
        with folded_weights(cast(nn.Module, self.decoder)):
            log_likelihood = self._decode(images, rows)
        with in_float32(x.device):
            log_prior = self.prior.log_density(rows)
        return ImportanceTerms(
            log_likelihood=log_likelihood.view(-1, samples),
            log_prior=log_prior.view(-1, samples),
            log_posterior=log_posterior,
        )

    def _decode(self, images: Tensor, z: Tensor) -> Tensor:
        """log p(x|z): [N]. An evaluation that runs out of GPU memory takes half as many rows at once from then on."""
        while True:
            at_once = min(self._rows_at_once, len(z))
            try:
                return in_parts(
                    self.decoder.log_likelihood, (images, z), activations=self.decoder.activations, most_rows=at_once
                )
            except RuntimeError as error:
                if not _memory_ran_out(error) or torch.is_grad_enabled() or at_once == 1:
                    raise
            # Try again out here, since within `except` the exception keeps the tensors of the failed pass alive.
            self._rows_at_once = (at_once + 1) // 2


def _memory_ran_out(error: RuntimeError) -> bool:
    """Whether that of the GPU did. torch hides it in a convolution: then no engine of cuDNN's had room to work in."""
    return isinstance(error, torch.OutOfMemoryError) or "unable to find an engine" in str(error)
