"""Mixtures of discretised logistics over the colours of a pixel (Salimans et al., 2017, PixelCNN++).

All channels of a colour share one component; a channel's mean is linear in the channels before it. A channel of a
component is a logistic of mean m and scale s, integrated over the bin around each level; the bins of the darkest and
the brightest level reach to infinity, so that the probabilities of all levels sum exactly to one.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mae_bench.nn.precision import at_least_float32

LOG_SCALE_BOUND = 7.0
"""log s lies between minus and plus this, with levels that run from -1 to 1. The lower bound is PixelCNN++'s, a ninth
of a bin; at the upper one a logistic is flat over all levels, and nothing overflows."""


class DiscretisedLogisticMixture:
    """The distribution of images [N, C, H, W] in [0, 1] given the maps [N, maps, H, W] of a network, pixel by pixel.

    levels: how many a channel has, k / (levels - 1) for k = 0 ... levels - 1. maps: how many the network must give, 100
    for ten components and three channels.
    """

    def __init__(self, channels: int, components: int, levels: int = 256) -> None:
        self.channels = channels
        self.components = components
        self.half_bin = 1 / (levels - 1)
        self.steps = levels - 1
        self.pairs = [(c, earlier) for c in range(channels) for earlier in range(c)]
        self.maps = components * (1 + 2 * channels + len(self.pairs))

    def log_likelihood(self, x: Tensor, maps: Tensor) -> Tensor:
        """Sum over pixels of log p(colour): x [N, C, H, W], maps [N, maps, H, W] -> [N], nats."""
        log_weight, means, log_scale, coefficients = self._split(maps)
        level = (x * self.steps).round().unsqueeze(1)  # pixel / levels in float32, back to whole levels
        value = level * (2 / self.steps) - 1
        mean = means + self._from_earlier(coefficients, value)
        inverse_scale = torch.exp(-log_scale)
        centred = value - mean
        above = (centred + self.half_bin) * inverse_scale
        below = (centred - self.half_bin) * inverse_scale
        # sigmoid(above) - sigmoid(below) = (1 - exp(below - above)) sigmoid(above) sigmoid(-below): no cancellation.
        log_width = torch.log(-torch.expm1(-2 * self.half_bin * inverse_scale))
        darkest, brightest = level == 0, level == self.steps
        log_bin = (
            F.logsigmoid(above).masked_fill(brightest, 0.0)
            + F.logsigmoid(-below).masked_fill(darkest, 0.0)
            + log_width.masked_fill(darkest | brightest, 0.0)
        )
        return torch.logsumexp(log_weight + log_bin.sum(2), dim=1).flatten(1).sum(1)

    def sample(self, maps: Tensor) -> Tensor:
        """Images [N, C, H, W]: a component is drawn for each pixel, then its channels in their order."""
        log_weight, means, log_scale, coefficients = self._split(maps)
        gumbel = -torch.log(-torch.log(_uniform_like(log_weight)))
        component = (log_weight + gumbel).argmax(1)[:, None, None]
        means, log_scale, coefficients = (
            part.take_along_dim(component.expand(-1, -1, part.shape[2], -1, -1), 1)
            for part in (means, log_scale, coefficients)
        )
        uniform = _uniform_like(means)
        noise = torch.exp(log_scale) * (torch.log(uniform) - torch.log1p(-uniform))
        value = torch.zeros_like(means)
        for channel in range(self.channels):
            mean = means + self._from_earlier(coefficients, value)
            drawn = (mean + noise)[:, :, channel]
            # The bin that the draw lies in; the outermost bins hold whatever lies beyond.
            level = ((drawn + 1) * (self.steps / 2)).round().clamp(0, self.steps)
            value[:, :, channel] = level * (2 / self.steps) - 1
        return ((value[:, 0] + 1) * (self.steps / 2)).round() / self.steps

    def _split(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """log weights [N, M, H, W]; means, log scales [N, M, C, H, W]; coefficients [N, M, pairs of channels, H, W]."""
        n, _, height, width = maps.shape
        per_component = at_least_float32(maps).reshape(n, self.components, -1, height, width).contiguous()
        logits, means, log_scale, coefficients = per_component.split(
            [1, self.channels, self.channels, len(self.pairs)], dim=2
        )
        log_scale = log_scale.clamp(-LOG_SCALE_BOUND, LOG_SCALE_BOUND)
        return F.log_softmax(logits.squeeze(2), dim=1), means, log_scale, torch.tanh(coefficients)

    def _from_earlier(self, coefficients: Tensor, value: Tensor) -> Tensor:
        """What the channels before each add to its mean: value [N, 1, C, H, W] -> [N, M, C, H, W]."""
        n, components, _, height, width = coefficients.shape
        parts = [value.new_zeros(n, components, height, width)] * self.channels
        for index, (channel, earlier) in enumerate(self.pairs):
            parts[channel] = parts[channel] + coefficients[:, :, index] * value[:, :, earlier]
        return torch.stack(parts, dim=2)


def _uniform_like(tensor: Tensor) -> Tensor:
    """Uniform draws strictly between 0 and 1, whose logarithms are finite."""
    tiny = torch.finfo(tensor.dtype).eps
    return torch.rand_like(tensor).clamp(tiny, 1 - tiny)
