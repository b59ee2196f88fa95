"""VAE = encoder x posterior x prior x decoder x objective, each choosable on its own."""

from mae_bench.vae.binary.decoders import bernoulli_log_likelihood
from mae_bench.vae.binary.mlp import MLP, MLPDecoder, mlp_networks
from mae_bench.vae.hierarchy import (
    HierarchicalVAE,
    draw_from,
    gaussian_of,
    log_density_of,
    merged,
    standard_gaussian,
)
from mae_bench.vae.inverse_flows import GaussianInContext
from mae_bench.vae.model import VAE
from mae_bench.vae.networks import autoregressive_networks, factorised_networks, inverse_flow_networks
from mae_bench.vae.objectives import (
    ELBO,
    ImportanceWeighted,
    InfoVAEObjective,
    MutualPosteriorDivergence,
    WeightedELBO,
)
from mae_bench.vae.parts import size_at
from mae_bench.vae.priors import VampPrior
from mae_bench.vae.without_latents import AutoregressiveModel, categorical_pixels, mixture_pixels

__all__ = [
    "ELBO",
    "MLP",
    "VAE",
    "AutoregressiveModel",
    "GaussianInContext",
    "HierarchicalVAE",
    "ImportanceWeighted",
    "InfoVAEObjective",
    "MLPDecoder",
    "MutualPosteriorDivergence",
    "VampPrior",
    "WeightedELBO",
    "autoregressive_networks",
    "bernoulli_log_likelihood",
    "categorical_pixels",
    "draw_from",
    "factorised_networks",
    "gaussian_of",
    "inverse_flow_networks",
    "log_density_of",
    "merged",
    "mixture_pixels",
    "mlp_networks",
    "size_at",
    "standard_gaussian",
]
