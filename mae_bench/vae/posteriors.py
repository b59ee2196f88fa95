"""Posteriors: features -> q(z|x)."""

from torch import Tensor, nn

from mae_bench.adapter import DiagonalGaussian
from mae_bench.nn.weight_norm import Linear


class GaussianPosterior(nn.Module):
    """A diagonal Gaussian whose mean and log-variance are linear in the features: [B, features] -> [B, units] each."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.parameters_of = Linear(features, 2 * units)

    def forward(self, features: Tensor) -> DiagonalGaussian:
        mean, log_variance = self.parameters_of(features).chunk(2, dim=1)
        return DiagonalGaussian(mean, log_variance)
