"""MAE: a VLAE whose posteriors are kept mutually diverse and evenly spread (Ma, Zhou & Hovy, ICLR 2019)."""

from mae_bench import DataSpec
from mae_bench.vae import VAE, MutualPosteriorDivergence, autoregressive_networks


class MAE(VAE):
    """Mutual posterior-divergence regularisation, eq. (7).

    eta: weight of the diversity loss. gamma: weight of the smoothness loss. diversity: "paper" for eq. (8), "mean" for
    the authors' code (eta does not transfer between the two).
    """

    def __init__(
        self, data: DataSpec, preset: str, eta: float = 1.0, gamma: float = 0.5, diversity: str = "paper"
    ) -> None:
        networks = autoregressive_networks(data, preset)
        super().__init__(data, preset, networks=networks, objective=MutualPosteriorDivergence(eta, gamma, diversity))
