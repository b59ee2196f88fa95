"""VAE = encoder x posterior x prior x decoder x objective, each choosable on its own."""

from mae_bench.vae.binary.mlp import mlp_networks
from mae_bench.vae.model import VAE
from mae_bench.vae.networks import autoregressive_networks, factorised_networks
from mae_bench.vae.objectives import (
    ELBO,
    ImportanceWeighted,
    InfoVAEObjective,
    MutualPosteriorDivergence,
    WeightedELBO,
)

__all__ = [
    "ELBO",
    "VAE",
    "ImportanceWeighted",
    "InfoVAEObjective",
    "MutualPosteriorDivergence",
    "WeightedELBO",
    "autoregressive_networks",
    "factorised_networks",
    "mlp_networks",
]
