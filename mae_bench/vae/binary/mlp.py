"""The network of Burda et al. (2016, section 5) for binary images: fully connected, with pixels independent given z."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from mae_bench.adapter import DataSpec
from mae_bench.nn.weight_norm import Linear
from mae_bench.vae.binary.decoders import bernoulli_log_likelihood
from mae_bench.vae.binary.encoder import GaussianPosterior
from mae_bench.vae.parts import Networks, size_at
from mae_bench.vae.priors import StandardGaussian


@dataclass(frozen=True)
class MLPSize:
    """units: those of z. hidden: the widths of the encoder's hidden layers; the decoder has them in reverse."""

    units: int
    hidden: tuple[int, ...]


MLP_SIZES = {
    "paper": MLPSize(units=50, hidden=(200, 200)),
    "medium": MLPSize(units=50, hidden=(200, 200)),
    "small": MLPSize(units=32, hidden=(100, 100)),
    "smoke": MLPSize(units=8, hidden=(16, 16)),
}
"""Preset paper is Burda et al.'s with one stochastic layer; small is narrower, so that fifty samples an image train in
three minutes."""


class MLP(nn.Sequential):
    """[N, inputs] -> [N, hidden[-1]] by tanh layers of these widths."""

    def __init__(self, inputs: int, hidden: Sequence[int]) -> None:
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [Linear(inputs, width), nn.Tanh()]
            inputs = width
        super().__init__(*layers)


class MLPDecoder(nn.Module):
    """z -> tanh layers -> a Bernoulli logit for each pixel."""

    def __init__(self, shape: tuple[int, int, int], units: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.shape = shape
        self.activations = max(*hidden, prod(shape))
        self.layers = nn.Sequential(MLP(units, hidden), Linear(hidden[-1], prod(shape)))

    def logits(self, z: Tensor) -> Tensor:
        """z [N, units] -> Bernoulli logits [N, C, H, W]."""
        result: Tensor = self.layers(z).view(-1, *self.shape)
        return result

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z): [N], nats."""
        return bernoulli_log_likelihood(x, self.logits(z))

    def sample(self, z: Tensor) -> Tensor:
        """Images [N, C, H, W] from p(x|z)."""
        return torch.bernoulli(torch.sigmoid(self.logits(z)))


def mlp_networks(data: DataSpec, preset: str) -> Networks:
    """Encoder and decoder by MLPs, a diagonal Gaussian posterior and the prior N(0, I)."""
    size = size_at(preset, MLP_SIZES)
    return Networks(
        encoder=nn.Sequential(nn.Flatten(), MLP(data.dimensions, size.hidden)),
        posterior=GaussianPosterior(size.hidden[-1], size.units),
        prior=StandardGaussian(size.units),
        decoder=MLPDecoder(data.shape, size.units, size.hidden[::-1]),
    )
