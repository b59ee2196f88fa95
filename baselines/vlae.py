"""VLAE: an autoregressive-flow prior and a PixelCNN decoder (Chen et al., 2017), as the MAE paper re-implements it."""

from mae_bench import DataSpec
from mae_bench.vae import ELBO, VAE, autoregressive_networks


class VLAE(VAE):
    """Variational lossy autoencoder with the MAE paper's decoder.

    free_bits: nats a data dimension below which the KL of a batch costs nothing; 0 turns them off.
    """

    def __init__(self, data: DataSpec, preset: str, free_bits: float = 0.01) -> None:
        networks = autoregressive_networks(data, preset)
        super().__init__(data, preset, networks=networks, objective=ELBO(data.dimensions, free_bits))
