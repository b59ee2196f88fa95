"""Which networks a task's images ask for."""

from mae_bench.adapter import DataSpec
from mae_bench.vae.binary.networks import binary_autoregressive_networks, binary_factorised_networks
from mae_bench.vae.natural.networks import natural_autoregressive_networks, natural_factorised_networks
from mae_bench.vae.parts import Networks

AUTOREGRESSIVE = {
    "bernoulli": binary_autoregressive_networks,
    "discretized_logistic_mixture": natural_autoregressive_networks,
}
FACTORISED = {
    "bernoulli": binary_factorised_networks,
    "discretized_logistic_mixture": natural_factorised_networks,
}


def autoregressive_networks(data: DataSpec, preset: str) -> Networks:
    """An autoregressive decoder and an autoregressive-flow prior: the networks of VLAE and MAE for these images."""
    return AUTOREGRESSIVE[data.likelihood](data, preset)


def factorised_networks(data: DataSpec, preset: str) -> Networks:
    """A decoder of independent pixels and the same prior and encoder: "ResNet VAE with AF" for these images."""
    return FACTORISED[data.likelihood](data, preset)
