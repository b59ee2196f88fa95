"""Conv DRAW: a canvas drawn in steps, each by latents of its own (Gregor et al., NeurIPS 2016)."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from mae_bench import DataSpec, ImportanceTerms
from mae_bench.nn.conv_lstm import ConvLSTMCell
from mae_bench.nn.precision import head_in_float32
from mae_bench.nn.resnet import halved, open_side
from mae_bench.nn.weight_norm import Conv2d, ConvTranspose2d
from mae_bench.vae import (
    HierarchicalVAE,
    draw_from,
    gaussian_of,
    log_density_of,
    mixture_pixels,
    size_at,
    standard_gaussian,
)


@dataclass(frozen=True)
class DrawSize:
    """width: maps of both LSTMs. latent_maps: of each step. kernel: of the LSTMs."""

    steps: int
    width: int
    latent_maps: int
    kernel: int


SIZES = {
    "paper": DrawSize(steps=32, width=320, latent_maps=12, kernel=5),
    "medium": DrawSize(steps=5, width=24, latent_maps=8, kernel=3),
    "small": DrawSize(steps=3, width=12, latent_maps=4, kernel=3),
    "smoke": DrawSize(steps=2, width=6, latent_maps=2, kernel=3),
}


class Pass(NamedTuple):
    """What a pass over all steps gives, a row each: [N], [N] and the canvas [N, maps, H, W]; z: [N, all latents]."""

    log_prior: Tensor
    log_posterior: Tensor
    canvas: Tensor
    z: Tensor


class ConvDRAW(HierarchicalVAE):
    """At each of `steps` steps an encoder sees the image and the decoder's state, z is drawn, and the decoder, having
    seen z, adds to the canvas; the prior of a step is made from the decoder's state before it (section 2).

    Latents and LSTMs have half the image's side. The canvas holds the maps of the pixels' distribution: logits of bits,
    or a mixture of discretised logistics.
    """

    likelihoods = frozenset({"bernoulli", "discretized_logistic_mixture"})

    def __init__(self, data: DataSpec, preset: str, samples: int = 1) -> None:
        super().__init__(data, preset, samples)
        size = size_at(preset, SIZES)
        self.steps, self.width, self.latent_maps = size.steps, size.width, size.latent_maps
        self.pixels = mixture_pixels(data)
        self.side = halved((data.shape[1], data.shape[2]))
        self.see = Conv2d(data.shape[0], size.width, 3, stride=2, padding=1)
        self.encoder = ConvLSTMCell(2 * size.width, size.width, size.kernel)
        self.decoder = ConvLSTMCell(size.latent_maps, size.width, size.kernel)
        self.posterior_of = Conv2d(size.width, 2 * size.latent_maps, 1)
        self.prior_of = Conv2d(size.width, 2 * size.latent_maps, 1)
        opening = open_side((data.shape[1], data.shape[2]))
        self.write = ConvTranspose2d(size.width, self.pixels.maps, 3, stride=2, padding=1, output_padding=opening)

    def encode(self, x: Tensor) -> Tensor:
        """The posterior means of all steps, each given those before: [B, steps x maps x H/2 x W/2]."""
        return self._pass(len(x), self._seen(x), noise=False).z

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        rows = x.repeat_interleave(samples, 0)
        drawn = self._pass(len(rows), self._seen(x).repeat_interleave(samples, 0))
        log_likelihood = self.pixels.log_likelihood(rows, drawn.canvas)
        terms = (log_likelihood, drawn.log_prior, drawn.log_posterior)
        return ImportanceTerms(*(term.view(-1, samples) for term in terms))

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.pixels.sample(self._pass(len(x), self._seen(x), noise=False).canvas)

    def sample(self, count: int) -> Tensor:
        return self.pixels.sample(self._pass(count, None).canvas)

    def _seen(self, x: Tensor) -> Tensor:
        return F.elu(self.see(2 * x - 1))

    def _pass(self, rows: int, seen: Tensor | None, *, noise: bool = True) -> Pass:
        """seen: what the encoder makes of the images; without, z is drawn from the prior."""
        state = torch.zeros(rows, self.width, *self.side, device=self.see.bias.device)
        encoder, decoder = (state, state), (state, state)
        canvas, log_prior, log_posterior = state.new_zeros(()), state.new_zeros(rows), state.new_zeros(rows)
        drawn = []
        for step in range(self.steps):
            # The first step's prior is N(0, I): there is nothing to make it from.
            prior = gaussian_of(self.prior_of(decoder[0]))
            prior = prior if step else standard_gaussian(prior.mean)
            posterior = prior
            if seen is not None:
                encoder = self.encoder(torch.cat([seen, decoder[0]], dim=1), encoder)
                posterior = gaussian_of(self.posterior_of(encoder[0]))
            z = draw_from(posterior) if noise else posterior.mean
            log_prior = log_prior + log_density_of(prior, z)
            log_posterior = log_posterior + log_density_of(posterior, z)
            decoder = self.decoder(z.view(rows, self.latent_maps, *self.side), decoder)
            canvas = canvas + head_in_float32(self.write, decoder[0])
            drawn.append(z)
        return Pass(log_prior, log_posterior, canvas, torch.cat(drawn, dim=1))
