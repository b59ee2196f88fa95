"""VAE: a diagonal Gaussian posterior, the prior N(0, I) and an MLP each way (Kingma & Welling, ICLR 2014)."""

from mae_bench import DataSpec
from mae_bench.vae import ELBO, VAE, mlp_networks


class PlainVAE(VAE):
    """The ELBO on the network that `iwae`, `beta_vae`, `infovae` and `vampprior` share (Burda et al., 2016)."""

    likelihoods = frozenset({"bernoulli"})

    def __init__(self, data: DataSpec, preset: str) -> None:
        super().__init__(data, preset, networks=mlp_networks(data, preset), objective=ELBO(data.dimensions))
