"""IAF VAE: a posterior by inverse autoregressive flow (Kingma et al., NeurIPS 2016)."""

from typing import cast

from torch import Tensor

from mae_bench import DataSpec, DiagonalGaussian, NotSupported
from mae_bench.vae import VAE, GaussianInContext, ImportanceWeighted, MutualPosteriorDivergence, inverse_flow_networks


class IAFVAE(VAE):
    """A Gaussian posterior whose draws pass through a flow, residual networks and the prior N(0, I).

    steps: of the flow; 0 leaves the diagonal Gaussian. samples: K of the importance-weighted bound; 1 is the ELBO.
    objective: "elbo", or "mae" for Ma, Zhou & Hovy's (2019) eq. (7) over the Gaussians that the flow begins with. eta,
    gamma: its weights.
    """

    def __init__(
        self,
        data: DataSpec,
        preset: str,
        *,
        steps: int = 4,
        samples: int = 1,
        objective: str = "elbo",
        eta: float = 1.0,
        gamma: float = 0.5,
    ) -> None:
        objectives = {"elbo": ImportanceWeighted(), "mae": MutualPosteriorDivergence(eta, gamma)}
        if objective not in objectives:
            raise ValueError(f"objective must be one of {', '.join(objectives)}, and is {objective!r}")
        networks, flow = inverse_flow_networks(data, preset, steps)
        super().__init__(data, preset, networks=networks, objective=objectives[objective], samples=samples)
        self.flow = flow

    def draw(self, posterior: DiagonalGaussian, samples: int) -> tuple[Tensor, Tensor]:
        start, log_density = super().draw(posterior, samples)
        context = cast(GaussianInContext, posterior).context.repeat_interleave(samples, dim=0)
        z, log_determinant = self.flow(start.flatten(0, 1), context)
        return z.view_as(start), log_density - log_determinant.view_as(log_density)

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        """The Gaussian, if there is no flow."""
        if len(self.flow.steps):
            raise NotSupported("not supported by this model: its posterior is a flow, not a diagonal Gaussian")
        return self.gaussian(x)

    def encode(self, x: Tensor) -> Tensor:
        """Where the flow takes the Gaussian's mean: [B, D]."""
        start = self.gaussian(x)
        z: Tensor = self.flow(start.mean, cast(GaussianInContext, start).context)[0]
        return z
