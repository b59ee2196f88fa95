"""beta-VAE: the KL of the ELBO weighted (Higgins et al., ICLR 2017)."""

from mae_bench import DataSpec
from mae_bench.vae import VAE, WeightedELBO, mlp_networks


class BetaVAE(VAE):
    """Reconstruction error + beta x KL, eq. (4), on the network of `vae`.

    beta: weight of the KL; 1 is `vae`.
    """

    likelihoods = frozenset({"bernoulli"})

    def __init__(self, data: DataSpec, preset: str, beta: float = 4.0) -> None:
        super().__init__(data, preset, networks=mlp_networks(data, preset), objective=WeightedELBO(beta))
