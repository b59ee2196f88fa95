"""ResNet VAE with AF: a factorised residual decoder and an autoregressive-flow prior (MAE paper, 4.1.2 and B.1.1)."""

from mae_bench import DataSpec
from mae_bench.vae import ELBO, VAE, factorised_networks


class ResNetVAE(VAE):
    """The paper's baseline whose decoder must put everything into z: pixels are independent given z."""

    def __init__(self, data: DataSpec, preset: str) -> None:
        networks = factorised_networks(data, preset)
        super().__init__(data, preset, networks=networks, objective=ELBO(data.dimensions))
