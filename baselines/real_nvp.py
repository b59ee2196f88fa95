"""Real NVP: an invertible network of affine couplings (Dinh, Sohl-Dickstein & Bengio, ICLR 2017)."""

from math import log

import torch
import torch.nn.functional as F
from torch import Tensor

from mae_bench import Adapter, DataSpec, ImportanceTerms, Loss
from mae_bench.nn.coupling import MultiScaleFlow
from mae_bench.nn.parallel import in_parts
from mae_bench.nn.weight_norm import data_dependent_initialisation, folded_weights
from mae_bench.vae import size_at

SIZES = {"paper": (64, 8), "medium": (24, 2), "small": (8, 1), "smoke": (4, 1)}
"""How many maps and residual blocks each coupling has."""
SCALES = 2
EDGE = 0.05
"""The logit sees the levels between this and one minus this (section 4.1)."""
LOG_TWO_PI = 1.8378770664093453


class RealNVP(Adapter):
    """A density of levels made continuous by uniform noise, the draw from q that importance sampling averages over.

    A bound, not a density: the logit leaves some probability outside [0, 1], and the NLL lies above its limit in many
    samples. Weight normalisation where the paper also has batch normalisation.
    """

    likelihoods = frozenset({"bernoulli", "discretized_logistic_mixture"})

    def __init__(self, data: DataSpec, preset: str) -> None:
        super().__init__(data, preset)
        width, blocks = size_at(preset, SIZES)
        self.levels = 2 if data.likelihood == "bernoulli" else 256
        self.activations = 4 * width * data.shape[1] * data.shape[2]
        self.flow = MultiScaleFlow(data.shape, width, blocks, SCALES)

    def initialise(self, x: Tensor) -> None:
        self.eval()
        with torch.no_grad(), data_dependent_initialisation(self):
            self.log_density(x, torch.rand_like(x))

    def log_density(self, x: Tensor, noise: Tensor) -> Tensor:
        """log p(x | noise): images and uniform noise [N, C, H, W] -> [N], nats for levels."""
        z, log_determinant = self._latents(x, noise)
        log_prior = -0.5 * (z.square() + LOG_TWO_PI).sum(1)
        return log_prior + log_determinant - self.data.dimensions * log(self.levels)

    def loss(self, x: Tensor) -> Loss:
        error = -self.log_density(x, torch.rand_like(x)).mean()
        return Loss(error, {"reconstruction_error": error})

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        """Uniform noise is the latent, whose prior and posterior cancel: log p(x | noise), 0 and 0."""
        rows = x.repeat_interleave(samples, 0)
        with folded_weights(self):
            log_likelihood = in_parts(
                self.log_density, (rows, torch.rand_like(rows)), activations=self.activations, most_rows=len(rows)
            ).view(-1, samples)
        return ImportanceTerms(log_likelihood, torch.zeros_like(log_likelihood), torch.zeros_like(log_likelihood))

    def encode(self, x: Tensor) -> Tensor:
        """The latents of the middle of each level: [B, C x H x W]."""
        return self._latents(x, torch.full_like(x, 0.5))[0]

    @torch.no_grad()
    def sample(self, count: int) -> Tensor:
        z = torch.randn(count, self.data.dimensions, device=next(self.parameters()).device)
        inner = torch.sigmoid(self.flow.inverse(z, self.data.shape))
        level = ((inner - EDGE) / (1 - 2 * EDGE) * self.levels).floor().clamp(0, self.levels - 1)
        return level / (self.levels - 1)

    def _latents(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """z and log |det dz / d(level + noise) / levels|."""
        inner = EDGE + (1 - 2 * EDGE) * (x * (self.levels - 1) + noise) / self.levels
        logit = torch.logit(inner)
        z, log_determinant = self.flow(logit)
        of_logit = log(1 - 2 * EDGE) + F.softplus(logit) + F.softplus(-logit)
        return z, log_determinant + of_logit.flatten(1).sum(1)
