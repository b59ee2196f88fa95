"""Which networks a task's images ask for."""

from typing import NamedTuple

from torch import nn

from mae_bench.adapter import DataSpec
from mae_bench.vae.binary.decoders import ResNetDecoder
from mae_bench.vae.binary.encoder import GaussianPosterior, ResNetEncoder
from mae_bench.vae.binary.networks import BINARY_SIZES, binary_autoregressive_networks, binary_factorised_networks
from mae_bench.vae.inverse_flows import InverseFlow, PosteriorInContext, map_inverse_flow, unit_inverse_flow
from mae_bench.vae.natural.decoders import ResNetMixtureDecoder
from mae_bench.vae.natural.encoder import DenseNetEncoder, MapPosterior, latent_size
from mae_bench.vae.natural.networks import (
    NATURAL_SIZES,
    natural_autoregressive_networks,
    natural_factorised_networks,
)
from mae_bench.vae.parts import Decoder, Networks, size_at
from mae_bench.vae.priors import StandardGaussian

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


class InverseFlowNetworks(NamedTuple):
    """networks: all parts but the flow, with a posterior that keeps its features; flow: from its draws to z."""

    networks: Networks
    flow: InverseFlow


def inverse_flow_networks(data: DataSpec, preset: str, steps: int) -> InverseFlowNetworks:
    """Residual networks, the prior N(0, I) and so many steps of inverse autoregressive flow, for these images."""
    encoder: nn.Module
    posterior: nn.Module
    decoder: Decoder
    if data.likelihood == "bernoulli":
        binary = size_at(preset, BINARY_SIZES)
        encoder = ResNetEncoder(data.shape, binary.encoder_widths, binary.features)
        posterior, units = GaussianPosterior(binary.features, binary.units), binary.units
        flow = unit_inverse_flow(units, binary.features, steps, binary.flow_hidden)
        decoder = ResNetDecoder(data.shape, units, binary.resnet_widths)
    else:
        natural = size_at(preset, NATURAL_SIZES)
        shape = (natural.latent_maps, *latent_size(data.shape))
        encoder = DenseNetEncoder(data.shape[0], natural.growths, natural.dense_steps, natural.features)
        posterior, units = MapPosterior(natural.features, natural.latent_maps), shape[0] * shape[1] * shape[2]
        flow = map_inverse_flow(shape, natural.features, steps, natural.flow_width)
        decoder = ResNetMixtureDecoder(data.shape, natural.latent_maps, natural.resnet_widths, natural.resnet_blocks)
    return InverseFlowNetworks(Networks(encoder, PosteriorInContext(posterior), StandardGaussian(units), decoder), flow)
