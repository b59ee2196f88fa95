"""The best distribution of independent pixels: a histogram for every pixel and channel, an exact likelihood."""

from math import log

import torch
from torch import Tensor

from mae_bench import Adapter, DataSpec, FitContext, Images, ImportanceTerms, NotSupported

_IMAGES_AT_ONCE = 1000
_LEVELS = {"bernoulli": 2, "discretized_logistic_mixture": 256}


class PixelHistogram(Adapter):
    """A yardstick for the likelihood: every pixel and channel drawn on its own, as often at each level as in training.

    smoothing: added to every count. It has no representation.
    """

    log_probability: Tensor

    def __init__(self, data: DataSpec, preset: str, smoothing: float = 1.0) -> None:
        super().__init__(data, preset)
        if smoothing <= 0:
            raise ValueError(f"smoothing must be positive, and is {smoothing}")
        self.smoothing = smoothing
        levels = _LEVELS[data.likelihood]
        self.register_buffer("log_probability", torch.full((data.dimensions, levels), -log(levels)))

    def fit(self, train: Images, validation: Images, context: FitContext) -> None:
        """Count the levels over one visit to every training image."""
        counts = torch.full_like(self.log_probability, self.smoothing)
        for indices in torch.arange(len(train), device=context.device).split(_IMAGES_AT_ONCE):
            levels = self._levels(train.batch(indices, context.generator))
            counts.scatter_add_(1, levels.T, torch.ones_like(levels.T, dtype=counts.dtype))
        self.log_probability.copy_(counts.log() - counts.sum(1, keepdim=True).log())

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        """log p(x), exactly, in `samples` equal columns."""
        pixels = torch.arange(self.data.dimensions, device=x.device)
        log_likelihood = self.log_probability[pixels, self._levels(x)].double().sum(1)
        columns = log_likelihood[:, None].expand(-1, samples)
        return ImportanceTerms(columns, torch.zeros_like(columns), torch.zeros_like(columns))

    def encode(self, x: Tensor) -> Tensor:
        raise NotSupported("not supported by this model: independent pixels have no representation")

    def sample(self, count: int) -> Tensor:
        levels = torch.multinomial(self.log_probability.exp(), count, replacement=True).T
        return (levels / (self.log_probability.shape[1] - 1)).view(count, *self.data.shape)

    def _levels(self, x: Tensor) -> Tensor:
        """Which level each pixel has: [B, C x H x W], integers."""
        return (x.flatten(1) * (self.log_probability.shape[1] - 1)).round().long()
