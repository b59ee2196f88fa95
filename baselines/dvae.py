"""Discrete VAE: binary latents with a Boltzmann machine as their prior, smoothed to train (Rolfe, ICLR 2017)."""

from dataclasses import dataclass
from math import expm1

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench import Adapter, DataSpec, ImportanceTerms, Loss
from mae_bench.nn.weight_norm import Linear, data_dependent_initialisation
from mae_bench.vae import MLP, MLPDecoder, size_at

SHARPNESS = 4.0
"""beta of the smoothing: how steeply the density of a 1 rises towards 1."""
EDGE = 1e-6
"""The least probability of a bit, and of its opposite."""


@dataclass(frozen=True)
class DiscreteSize:
    """units: of each side of the Boltzmann machine. hidden: widths of the encoder, and of the decoder in reverse."""

    units: int
    hidden: tuple[int, ...]


SIZES = {
    "paper": DiscreteSize(units=18, hidden=(200, 200)),
    "medium": DiscreteSize(units=16, hidden=(200, 200)),
    "small": DiscreteSize(units=12, hidden=(100, 100)),
    "smoke": DiscreteSize(units=4, hidden=(16, 16)),
}
"""The paper's machine has sides of 64 units and more, whose log Z can only be estimated; with these it is a sum."""


class BoltzmannMachine(nn.Module):
    """p(z) = exp(a.u + b.v + u.W.v) / Z over bits z = (u, v), u and v of `units` bits each; log Z is exact."""

    states: Tensor

    def __init__(self, units: int) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(torch.zeros(units)), nn.Parameter(torch.zeros(units))
        self.weight = nn.Parameter(0.01 * torch.randn(units, units))
        numbers = torch.arange(2**units)[:, None]
        self.register_buffer("states", (numbers >> torch.arange(units) & 1).float(), persistent=False)

    def log_partition(self) -> Tensor:
        """log Z: a sum over all u, each with its v summed out."""
        over_second = F.softplus(self.second + self.states @ self.weight).sum(1)
        return torch.logsumexp(self.states @ self.first + over_second, 0)

    def log_weight(self, z: Tensor) -> Tensor:
        """log p(z) + log Z: bits [N, 2 x units] -> [N]; their expectation where z are independent probabilities."""
        u, v = z.chunk(2, dim=1)
        return u @ self.first + v @ self.second + ((u @ self.weight) * v).sum(1)

    def sample(self, count: int) -> Tensor:
        """[count, 2 x units]: u from its exact marginal, then v given u."""
        over_second = F.softplus(self.second + self.states @ self.weight).sum(1)
        marginal = torch.softmax(self.states @ self.first + over_second, 0)
        u = self.states[torch.multinomial(marginal, count, replacement=True)]
        return torch.cat([u, torch.bernoulli(torch.sigmoid(self.second + u @ self.weight))], dim=1)


def rise(uniform: Tensor) -> Tensor:
    """Uniform numbers in [0, 1] -> numbers with density beta exp(beta s) / (exp(beta) - 1) in [0, 1]."""
    return torch.log1p(uniform * expm1(SHARPNESS)) / SHARPNESS


def smoothed(uniform: Tensor, probability: Tensor) -> tuple[Tensor, Tensor]:
    """Bits and their smooth stand-ins, of the arguments' shape, from uniform numbers (section 2.1 and appendix D.2).

    A bit is 1 with its probability. The stand-in of a 0 is 0 and that of a 1 a draw as `rise` has it; it is
    differentiable in the probability.
    """
    inside = 1 - (1 - uniform) / probability  # uniform where the bit is 1, below zero where it is 0
    return (inside > 0).to(uniform), rise(inside.clamp(0, 1))


class DiscreteVAE(Adapter):
    """z is binary, q(z|x) independent bits, and the decoder sees the smooth stand-ins.

    One level of the paper's hierarchy of posteriors and none of its continuous latents. The KL to the Boltzmann
    machine is exact, and so are the weights of the importance-sampled likelihood: the density of a stand-in given its
    bit is that of prior and posterior alike, and cancels.
    """

    likelihoods = frozenset({"bernoulli"})

    def __init__(self, data: DataSpec, preset: str) -> None:
        super().__init__(data, preset)
        size = size_at(preset, SIZES)
        bits = 2 * size.units
        self.encoder = nn.Sequential(nn.Flatten(), MLP(data.dimensions, size.hidden), Linear(size.hidden[-1], bits))
        self.prior = BoltzmannMachine(size.units)
        self.decoder = MLPDecoder(data.shape, bits, size.hidden[::-1])

    def initialise(self, x: Tensor) -> None:
        """Data-dependent initialisation of every layer by one pass."""
        self.eval()
        with torch.no_grad(), data_dependent_initialisation(self):
            self.importance_terms(x, 1)

    def loss(self, x: Tensor) -> Loss:
        """The negative ELBO, with the KL in closed form."""
        probability = self._probability(x)
        _, stand_in = smoothed(torch.rand_like(probability), probability)
        error = -self.decoder.log_likelihood(x, stand_in).mean()
        entropy = (torch.special.entr(probability) + torch.special.entr(1 - probability)).sum(1)
        kl = (self.prior.log_partition() - self.prior.log_weight(probability) - entropy).mean()
        return Loss(error + kl, {"reconstruction_error": error, "kl": kl})

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        probability = self._probability(x).repeat_interleave(samples, 0)
        bit, stand_in = smoothed(torch.rand_like(probability), probability)
        log_likelihood = self.decoder.log_likelihood(x.repeat_interleave(samples, 0), stand_in)
        log_prior = self.prior.log_weight(bit) - self.prior.log_partition()
        log_posterior = -F.binary_cross_entropy(probability, bit, reduction="none").sum(1)
        return ImportanceTerms(*(term.view(-1, samples) for term in (log_likelihood, log_prior, log_posterior)))

    def encode(self, x: Tensor) -> Tensor:
        """The probability of each bit: [B, 2 x units]."""
        return self._probability(x)

    def reconstruct(self, x: Tensor) -> Tensor:
        probability = self._probability(x)
        return self.decoder.sample(smoothed(torch.rand_like(probability), probability)[1])

    def sample(self, count: int) -> Tensor:
        z = self.prior.sample(count)
        return self.decoder.sample(z * rise(torch.rand_like(z)))

    def _probability(self, x: Tensor) -> Tensor:
        """q(z_i = 1 | x), away from 0 and 1 so that its logarithms are finite: [B, 2 x units]."""
        probability: Tensor = torch.sigmoid(self.encoder(x)).float()
        return probability.clamp(EDGE, 1 - EDGE)
