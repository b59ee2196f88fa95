"""Priors over z without flows: log p(z) in nats and draws from it."""

import math

import torch
from torch import Tensor, nn

from mae_bench.adapter import DiagonalGaussian
from mae_bench.nn.parallel import in_parts

_LOG_TWO_PI = math.log(2 * math.pi)
_INITIAL_LOGIT = 3.0
"""Of a pseudo-input's pixel at the start, where the training image has a 1; minus this where it has a 0."""


class StandardGaussian(nn.Module):
    """N(0, I) over `units` units (Kingma & Welling, 2014)."""

    zero: Tensor

    def __init__(self, units: int) -> None:
        super().__init__()
        self.register_buffer("zero", torch.zeros(units), persistent=False)

    def log_density(self, z: Tensor) -> Tensor:
        """log p(z): z [N, units] -> [N], nats."""
        return -0.5 * (z.square() + _LOG_TWO_PI).sum(1)

    def sample(self, count: int) -> Tensor:
        """[count, units] from p(z)."""
        return torch.randn(count, len(self.zero), device=self.zero.device, dtype=self.zero.dtype)


class VampPrior(nn.Module):
    """p(z) = 1/K sum_k q(z | u_k), over K learnt pseudo-inputs u (Tomczak & Welling, 2018, section 2).

    encoder, posterior: those of the VAE, which trains them; they are not registered here a second time. shape: that of
    an image. Pixels of u are sigmoids of the parameters, and so within [0, 1].
    """

    def __init__(self, encoder: nn.Module, posterior: nn.Module, shape: tuple[int, int, int], components: int) -> None:
        super().__init__()
        if components < 1:
            raise ValueError(f"components must be positive, and is {components}")
        self._of_the_vae = (encoder, posterior)  # in a tuple, where torch does not look for modules
        self.pseudo_logits = nn.Parameter(0.01 * torch.randn(components, *shape))

    @torch.no_grad()
    def begin_with(self, x: Tensor) -> None:
        """Make the pseudo-inputs resemble images, taken in turn from x [N, C, H, W]."""
        chosen = torch.arange(len(self.pseudo_logits), device=x.device) % len(x)
        self.pseudo_logits.copy_(_INITIAL_LOGIT * (2 * x[chosen] - 1))

    def components(self) -> DiagonalGaussian:
        """q(z | u_k): mean and log_variance [K, units]."""
        encoder, posterior = self._of_the_vae
        result: DiagonalGaussian = posterior(encoder(torch.sigmoid(self.pseudo_logits)))
        return result

    def log_density(self, z: Tensor) -> Tensor:
        """log p(z): z [N, units] -> [N], nats."""
        components = self.components()

        def of_rows(rows: Tensor) -> Tensor:
            of_each = components.log_density(rows.expand(len(self.pseudo_logits), -1, -1))  # [K, N]
            return torch.logsumexp(of_each, 0) - math.log(len(self.pseudo_logits))

        return in_parts(of_rows, (z,), activations=components.mean.numel(), most_rows=len(z))

    def sample(self, count: int) -> Tensor:
        """[count, units]: a component is drawn uniformly for each, then z from it."""
        components = self.components()
        chosen = torch.randint(len(self.pseudo_logits), (count,), device=self.pseudo_logits.device)
        of_each = DiagonalGaussian(components.mean[chosen], components.log_variance[chosen])
        return of_each.sample(1).squeeze(1)
