"""VDVAE: many layers of latents, from one pixel to the whole image (Child, ICLR 2021), at a size for a laptop."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench import DataSpec, ImportanceTerms
from mae_bench.nn.precision import head_in_float32
from mae_bench.nn.resnet import ResidualBlock, halved
from mae_bench.nn.weight_norm import Conv2d
from mae_bench.vae import HierarchicalVAE, draw_from, gaussian_of, log_density_of, mixture_pixels, size_at


@dataclass(frozen=True)
class VeryDeepSize:
    """width: maps everywhere. latent_maps: of a layer. layers: of latents at each size, from 1x1 to the image's."""

    width: int
    latent_maps: int
    layers: tuple[int, ...]


SIZES = {
    "paper": VeryDeepSize(width=96, latent_maps=16, layers=(2, 4, 8, 12)),
    "medium": VeryDeepSize(width=24, latent_maps=8, layers=(1, 2, 3, 2)),
    "small": VeryDeepSize(width=12, latent_maps=4, layers=(1, 2, 1, 0)),
    "smoke": VeryDeepSize(width=8, latent_maps=2, layers=(1, 1, 1, 0)),
}
"""Preset paper is much smaller than the published networks: 26 layers of latents in place of 45 and more."""


class TopDownLayer(nn.Module):
    """state, and features of the image or none -> the next state, log p(z), log q(z) and z or its mean (figure 3)."""

    def __init__(self, width: int, latent_maps: int) -> None:
        super().__init__()
        self.prior = nn.Sequential(nn.ELU(), Conv2d(width, 2 * latent_maps + width, 3, padding=1))
        self.posterior = nn.Sequential(nn.ELU(), Conv2d(2 * width, 2 * latent_maps, 3, padding=1))
        self.project = Conv2d(latent_maps, width, 1)
        self.block = ResidualBlock(width)
        self.split = (2 * latent_maps, width)

    def forward(
        self, state: Tensor, features: Tensor | None, *, noise: bool = True
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        parameters, change = self.prior(state).split(self.split, dim=1)
        prior = posterior = gaussian_of(parameters)
        if features is not None:
            posterior = gaussian_of(self.posterior(torch.cat([state, features], dim=1)))
        z = draw_from(posterior) if noise else posterior.mean
        maps = z.view(len(z), -1, *state.shape[2:])
        state = self.block(state + change + self.project(maps))
        return state, log_density_of(prior, z), log_density_of(posterior, z), z


class VDVAE(HierarchicalVAE):
    """p(z) and q(z|x) go down the same layers, and the features of the image come to each from a bottom-up pass.

    Sizes: 1x1, a quarter, half and all of the image's side, as far as the preset has layers there. samples: K of the
    importance-weighted bound; 1 is the ELBO.
    """

    likelihoods = frozenset({"bernoulli", "discretized_logistic_mixture"})

    def __init__(self, data: DataSpec, preset: str, samples: int = 1) -> None:
        super().__init__(data, preset, samples)
        size = size_at(preset, SIZES)
        self.pixels = mixture_pixels(data)
        self.coarse = sum(size.layers[:2])
        whole = (data.shape[1], data.shape[2])
        self.sides = [(1, 1), halved(halved(whole)), halved(whole), whole]
        self.stem = Conv2d(data.shape[0], size.width, 3, padding=1)
        self.upward = nn.ModuleList(ResidualBlock(size.width) for _ in self.sides)
        self.start = nn.Parameter(torch.zeros(size.width, 1, 1))
        self.downward = nn.ModuleList(
            nn.ModuleList(TopDownLayer(size.width, size.latent_maps) for _ in range(count)) for count in size.layers
        )
        self.finish = nn.Sequential(ResidualBlock(size.width), nn.ELU())
        self.last = Conv2d(size.width, self.pixels.maps, 1)

    def encode(self, x: Tensor) -> Tensor:
        """The posterior means at 1x1 and at a quarter of the side, each layer given those above."""
        found: list[Tensor] = []
        self._downward(len(x), self._features(x), found, noise=False)
        return torch.cat(found[: self.coarse], dim=1)

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        rows = x.repeat_interleave(samples, 0)
        features = [level.repeat_interleave(samples, 0) for level in self._features(x)]
        maps, log_prior, log_posterior = self._downward(len(rows), features)
        terms = (self.pixels.log_likelihood(rows, maps), log_prior, log_posterior)
        return ImportanceTerms(*(term.view(-1, samples) for term in terms))

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.pixels.sample(self._downward(len(x), self._features(x), noise=False)[0])

    def sample(self, count: int) -> Tensor:
        return self.pixels.sample(self._downward(count, None)[0])

    def _features(self, x: Tensor) -> list[Tensor]:
        """Of the image at each size, from 1x1 upwards."""
        hidden, found = self.stem(2 * x - 1), []
        for block, side in zip(self.upward, reversed(self.sides), strict=True):
            hidden = block(F.adaptive_avg_pool2d(hidden, side))
            found.append(hidden)
        return found[::-1]

    def _downward(
        self, rows: int, features: list[Tensor] | None, found: list[Tensor] | None = None, *, noise: bool = True
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The maps of the pixels' distribution, log p(z) and log q(z|x), [rows]; found: takes each layer's z."""
        state = self.start.expand(rows, -1, -1, -1)
        log_prior, log_posterior = state.new_zeros(rows), state.new_zeros(rows)
        for number, (layers, side) in enumerate(zip(self.downward, self.sides, strict=True)):
            state = F.interpolate(state, size=side)
            for layer in layers:  # type: ignore[attr-defined]
                level = None if features is None else features[number]
                state, of_prior, of_posterior, z = layer(state, level, noise=noise)
                log_prior, log_posterior = log_prior + of_prior, log_posterior + of_posterior
                if found is not None:
                    found.append(z)
        return head_in_float32(self.last, self.finish(state)), log_prior, log_posterior
