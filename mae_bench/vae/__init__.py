"""VAE = encoder x posterior x prior x decoder x objective, each choosable on its own."""

from mae_bench.vae.model import VAE
from mae_bench.vae.networks import autoregressive_networks, factorised_networks
from mae_bench.vae.objectives import ELBO, MutualPosteriorDivergence

__all__ = ["ELBO", "VAE", "MutualPosteriorDivergence", "autoregressive_networks", "factorised_networks"]
