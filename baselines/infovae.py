"""InfoVAE: the aggregated posterior is held to the prior by a maximum mean discrepancy (Zhao et al., AAAI 2019)."""

from mae_bench import DataSpec
from mae_bench.vae import VAE, InfoVAEObjective, mlp_networks


class InfoVAE(VAE):
    """Reconstruction error + (1 - alpha) KL + (alpha + scale - 1) MMD, on the network of `vae`.

    alpha: how much of the KL is taken away. scale: the paper's lambda, 1000 on MNIST; 1, with alpha = 0, is `vae`.
    """

    likelihoods = frozenset({"bernoulli"})

    def __init__(self, data: DataSpec, preset: str, alpha: float = 0.0, scale: float = 1000.0) -> None:
        super().__init__(data, preset, networks=mlp_networks(data, preset), objective=InfoVAEObjective(alpha, scale))
