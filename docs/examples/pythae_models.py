"""The models of Pythae (Chadebec et al., 2022), unchanged, trained by the default loop. Needs `mae-bench[pythae]`.

Written as `docs/examples/pythae_models.py[model=IWAE]`, with the options of the model's own configuration in braces:
`[model=BetaVAE,options={"beta":4.0}]`.
"""

from math import log, pi
from typing import Any

import pythae.models
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from mae_bench import Adapter, DataSpec, DiagonalGaussian, ImportanceTerms, Loss, NotSupported
from mae_bench.nn.precision import in_float32

GAUSSIAN = ("VAE", "BetaVAE", "DisentangledBetaVAE", "INFOVAE_MMD", "IWAE", "CIWAE", "MIWAE", "VAMP")
"""Those with a Gaussian q(z|x)."""
FLOWS = ("VAE_IAF", "VAE_LinNF")
"""Those whose q(z|x) is a Gaussian through a flow."""
OTHERS = ("AE", "WAE_MMD", "RAE_L2", "VQVAE", "HVAE")
"""Those without a density that could be asked for here."""
ELBO = ("VAE", "BetaVAE", "VAMP", *FLOWS)
"""Those whose loss is made of the two terms of the ELBO."""


class Pythae(Adapter):
    """Those that one optimiser trains by one loss, so neither GANs nor PIWAE.

    model: a name of GAUSSIAN, FLOWS or OTHERS. options: fields of its configuration in Pythae, by name.
    """

    def __init__(
        self,
        data: DataSpec,
        preset: str,
        model: str = "VAE",
        latent_dim: int = 16,
        options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(data, preset)
        if model not in (*GAUSSIAN, *FLOWS, *OTHERS):
            raise ValueError(f"there is no model {model!r}; choose one of {', '.join((*GAUSSIAN, *FLOWS, *OTHERS))}")
        given: dict[str, Any] = {"input_dim": data.shape, "latent_dim": latent_dim}
        if model in (*GAUSSIAN, *FLOWS, "HVAE"):
            given["reconstruction_loss"] = "bce" if data.likelihood == "bernoulli" else "mse"
        name = model
        config = getattr(pythae.models, f"{name}_Config", None) or getattr(pythae.models, f"{name}Config")
        self.model = model
        self.latent_dim = latent_dim
        self.net = getattr(pythae.models, name)(config(**given, **(options or {})))

    def loss(self, x: Tensor) -> Loss:
        with in_float32(x.device), torch.set_grad_enabled(torch.is_grad_enabled() or self.model == "HVAE"):
            answer = self.net({"data": x})  # HVAE moves z along gradients, also where none are asked for
        names = {"recon_loss": "reconstruction_error", "reg_loss": "kl"} if self.model in ELBO else {}
        given = [name for name in ("recon_loss", "reg_loss", "vq_loss") if name in answer]
        terms = {names.get(name, name): answer[name].mean() for name in given}
        return Loss(answer["loss"], terms)

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        if self.model in OTHERS or self.data.likelihood != "bernoulli":
            raise NotSupported(
                f"not supported by this model: Pythae's {self.model} has no density of these images here"
            )
        q = self._gaussian(x)
        z = q.sample(samples)
        log_posterior = q.log_density(z)
        z, log_determinant = self._through_flow(z.flatten(0, 1))
        log_prior = self._log_prior(z).view(len(x), samples)
        p = self.net.decoder(z)["reconstruction"].flatten(1).view(len(x), samples, -1)
        bits = x.flatten(1).unsqueeze(1).expand_as(p)
        log_likelihood = -binary_cross_entropy(p, bits, reduction="none").sum(-1)
        return ImportanceTerms(log_likelihood, log_prior, log_posterior - log_determinant.view(len(x), samples))

    def encode(self, x: Tensor) -> Tensor:
        if self.model == "VQVAE":
            code: Tensor = self.net({"data": x})["z"]
            return code.flatten(1)
        z: Tensor = self.net.encoder(x)["embedding"]
        return self._through_flow(z)[0]

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        if self.model not in GAUSSIAN:
            raise NotSupported(f"not supported by this model: Pythae's {self.model} has no diagonal Gaussian posterior")
        return self._gaussian(x)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self._images(self.encode(x))

    def sample(self, count: int) -> Tensor:
        if self.model in ("AE", "RAE_L2", "VQVAE", "VAMP"):
            raise NotSupported(f"not supported by this model: Pythae's {self.model} has no prior to draw from here")
        return self._images(torch.randn(count, self.latent_dim, device=next(self.parameters()).device))

    def _gaussian(self, x: Tensor) -> DiagonalGaussian:
        answer = self.net.encoder(x)
        return DiagonalGaussian(answer["embedding"], answer["log_covariance"])

    def _through_flow(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """z [N, D] after the flow of the posterior, and the logarithm of its Jacobian's determinant [N]."""
        total = torch.zeros(len(z), device=z.device)
        if self.model == "VAE_IAF":
            answer = self.net.iaf_flow.inverse(z)
            return answer["out"], answer["log_abs_det_jac"]
        for layer in self.net.net if self.model == "VAE_LinNF" else ():
            answer = layer(z)
            z, total = answer["out"], total + answer["log_abs_det_jac"]
        return z, total

    def _log_prior(self, z: Tensor) -> Tensor:
        """log p(z) of z [N, D]: [N]. Pythae leaves out the constants, which cancel in its own estimate."""
        constant = 0.5 * self.latent_dim * log(2 * pi)
        if self.model == "VAMP":
            density: Tensor = self.net._log_p_z(z)
            return density - constant
        return -0.5 * z.square().sum(1) - constant

    def _images(self, z: Tensor) -> Tensor:
        """Bits drawn from p(x|z), or the means of grey levels."""
        means: Tensor = self.net.decoder(z)["reconstruction"].view(-1, *self.data.shape).clamp(0, 1)
        return torch.bernoulli(means) if self.data.likelihood == "bernoulli" else means
