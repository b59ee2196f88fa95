"""IWAE: a VAE trained on the importance-weighted bound (Burda, Grosse & Salakhutdinov, ICLR 2016)."""

from mae_bench import DataSpec
from mae_bench.vae import VAE, ImportanceWeighted, mlp_networks


class IWAE(VAE):
    """-log 1/K sum_k w_k, eq. (8), on the paper's network with one stochastic layer.

    samples: K; 1 is `vae`.
    """

    likelihoods = frozenset({"bernoulli"})

    def __init__(self, data: DataSpec, preset: str, samples: int = 50) -> None:
        networks = mlp_networks(data, preset)
        super().__init__(data, preset, networks=networks, objective=ImportanceWeighted(), samples=samples)
