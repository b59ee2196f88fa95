"""Models without latents: an exact density, pixel by pixel, by a network in raster order."""

from itertools import product
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.adapter import Adapter, DataSpec, ImportanceTerms, Loss, NotSupported
from mae_bench.nn.parallel import in_parts
from mae_bench.nn.precision import at_least_float32
from mae_bench.nn.weight_norm import data_dependent_initialisation, folded_weights
from mae_bench.vae.binary.decoders import bernoulli_log_likelihood
from mae_bench.vae.natural.decoders import COMPONENTS
from mae_bench.vae.natural.mixture import DiscretisedLogisticMixture

LEVELS = 256


class Pixels(Protocol):
    """The distribution of images [N, C, H, W] in [0, 1] given a network's maps [N, maps, H, W], pixel by pixel.

    channels_in_turn: whether a channel's maps may depend on the channels of its pixel before it, which must then be
    drawn first.
    """

    maps: int
    channels_in_turn: bool

    def log_likelihood(self, x: Tensor, maps: Tensor) -> Tensor: ...
    def sample(self, maps: Tensor) -> Tensor: ...


class BernoulliPixels:
    """A bit for each channel, from one logit."""

    channels_in_turn = True

    def __init__(self, channels: int) -> None:
        self.maps = channels

    def log_likelihood(self, x: Tensor, maps: Tensor) -> Tensor:
        """Bits and logits [N, C, H, W] -> [N], nats."""
        return bernoulli_log_likelihood(x, maps)

    def sample(self, maps: Tensor) -> Tensor:
        """Logits [N, C, H, W] -> bits of that shape."""
        return torch.bernoulli(torch.sigmoid(maps))


class CategoricalPixels:
    """One of 256 levels for each channel, from as many logits (van den Oord et al., 2016a, section 2.2).

    Map i is of channel i modulo C, and of level i // C.
    """

    channels_in_turn = True

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.maps = LEVELS * channels

    def log_likelihood(self, x: Tensor, maps: Tensor) -> Tensor:
        """x [N, C, H, W], maps [N, 256 C, H, W] -> [N], nats."""
        levels = (x * (LEVELS - 1)).round().long()
        return -F.cross_entropy(self._logits(maps), levels, reduction="none").flatten(1).sum(1)

    def sample(self, maps: Tensor) -> Tensor:
        """maps [N, 256 C, H, W] -> images [N, C, H, W]."""
        probabilities = self._logits(maps).softmax(1).movedim(1, -1)
        drawn = torch.multinomial(probabilities.flatten(0, -2), 1).view(probabilities.shape[:-1])
        return drawn / (LEVELS - 1)

    def _logits(self, maps: Tensor) -> Tensor:
        n, _, height, width = maps.shape
        return at_least_float32(maps).view(n, LEVELS, self.channels, height, width)


class MixturePixels(DiscretisedLogisticMixture):
    """Ten components of discretised logistics, whose means see the channels before by themselves."""

    channels_in_turn = False

    def __init__(self, channels: int) -> None:
        super().__init__(channels, COMPONENTS)


def categorical_pixels(data: DataSpec) -> Pixels:
    """Bits, or a softmax over 256 levels."""
    channels = data.shape[0]
    return BernoulliPixels(channels) if data.likelihood == "bernoulli" else CategoricalPixels(channels)


def mixture_pixels(data: DataSpec) -> Pixels:
    """Bits, or a mixture of discretised logistics."""
    channels = data.shape[0]
    return BernoulliPixels(channels) if data.likelihood == "bernoulli" else MixturePixels(channels)


class AutoregressiveModel(Adapter):
    """p(x) = product of p(x_i | x_1 ... x_i-1) in raster order, exactly.

    network: images [N, C, H, W] -> maps [N, pixels.maps, H, W], those of a pixel a function of the pixels before it
    and, if pixels.channels_in_turn, those of a channel one of the channels before it too.
    """

    likelihoods = frozenset({"bernoulli", "discretized_logistic_mixture"})

    def __init__(self, data: DataSpec, preset: str, *, network: nn.Module, pixels: Pixels) -> None:
        super().__init__(data, preset)
        self.network = network
        self.pixels = pixels

    def initialise(self, x: Tensor) -> None:
        """Data-dependent initialisation of every layer by one pass."""
        self.eval()
        with torch.no_grad(), data_dependent_initialisation(self):
            self.network(x)

    def log_likelihood(self, x: Tensor) -> Tensor:
        """log p(x): [N], nats."""
        return self.pixels.log_likelihood(x, self.network(x))

    def loss(self, x: Tensor) -> Loss:
        """The NLL, which is all reconstruction error."""
        error = -self.log_likelihood(x).mean()
        return Loss(error, {"reconstruction_error": error})

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        """log p(x), exactly, in `samples` equal columns."""
        activations = self.pixels.maps * x.shape[2] * x.shape[3]
        with folded_weights(self):
            log_likelihood = in_parts(self.log_likelihood, (x,), activations=activations, most_rows=len(x))
        columns = log_likelihood[:, None].expand(-1, samples)
        return ImportanceTerms(columns, torch.zeros_like(columns), torch.zeros_like(columns))

    def encode(self, x: Tensor) -> Tensor:
        raise NotSupported("not supported by this model: it has no latents")

    @torch.no_grad()
    def sample(self, count: int) -> Tensor:
        """Images [count, C, H, W], one pass over the rows so far for each pixel or channel."""
        channels, height, width = self.data.shape
        x = torch.zeros(count, *self.data.shape, device=next(self.parameters()).device)
        turns = [slice(c, c + 1) for c in range(channels)] if self.pixels.channels_in_turn else [slice(None)]
        with folded_weights(self):
            for row, column, turn in product(range(height), range(width), turns):
                maps = self.network(x[:, :, : row + 1])[:, :, row : row + 1, column : column + 1]
                x[:, turn, row, column] = self.pixels.sample(maps)[:, turn, 0, 0]
        return x
