"""VampPrior: a mixture of posteriors of learnt pseudo-inputs as the prior (Tomczak & Welling, AISTATS 2018)."""

from typing import cast

from torch import Tensor

from mae_bench import DataSpec
from mae_bench.vae import VAE, ImportanceWeighted, VampPrior, mlp_networks, size_at

WARM_UP = {"paper": 50_000, "medium": 2000, "small": 100, "smoke": 0}
"""Steps over which the weight of the KL rises to 1; 100 epochs in the paper. Without, the posterior may collapse."""


class VampPriorVAE(VAE):
    """One level of latents on the network of `vae`, where the paper has gated layers.

    components: pseudo-inputs (500 in the paper); they begin as training images. samples: K of the importance-weighted
    bound; 1 is the ELBO.
    """

    likelihoods = frozenset({"bernoulli"})

    def __init__(self, data: DataSpec, preset: str, components: int = 500, samples: int = 1) -> None:
        networks = mlp_networks(data, preset)
        prior = VampPrior(networks.encoder, networks.posterior, data.shape, components)
        networks, warm_up = networks._replace(prior=prior), size_at(preset, WARM_UP)
        super().__init__(data, preset, networks=networks, objective=ImportanceWeighted(warm_up), samples=samples)

    def initialise(self, x: Tensor) -> None:
        """With pseudo-inputs like images, to which the encoder's layers are fitted as to x."""
        cast(VampPrior, self.prior).begin_with(x)
        super().initialise(x)
