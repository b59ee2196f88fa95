"""The paper's networks for natural images at each preset (specification "CIFAR-10")."""

from dataclasses import dataclass

from mae_bench.adapter import DataSpec
from mae_bench.vae.flows import MapFlowPrior
from mae_bench.vae.natural.decoders import PixelCNNPlusPlusDecoder, ResNetMixtureDecoder
from mae_bench.vae.natural.encoder import DenseNetEncoder, MapPosterior, latent_size
from mae_bench.vae.parts import Decoder, Networks, size_at


@dataclass(frozen=True)
class NaturalSize:
    """The widths and depths of the networks for natural images."""

    latent_maps: int
    growths: tuple[int, int, int]
    dense_steps: tuple[int, int, int]
    features: int
    flow_steps: int
    flow_width: int
    conditioning_widths: tuple[int, int, int]
    """How many maps z becomes, layer by layer, on its way to the PixelCNN++."""
    pixelcnn_width: int
    pixelcnn_blocks: int
    dropout: float
    """The probability in the PixelCNN++'s gated blocks."""
    resnet_widths: tuple[int, int, int]
    resnet_blocks: tuple[int, int, int]


NATURAL_SIZES = {
    "paper": NaturalSize(
        latent_maps=16,
        growths=(15, 16, 16),
        dense_steps=(3, 3, 6),
        features=96,
        flow_steps=8,
        flow_width=128,
        conditioning_widths=(8, 4, 16),
        pixelcnn_width=96,
        pixelcnn_blocks=5,
        dropout=0.5,
        resnet_widths=(96, 96, 48),
        resnet_blocks=(3, 2, 2),
    ),
    "medium": NaturalSize(
        latent_maps=16,
        growths=(8, 8, 8),
        dense_steps=(3, 3, 6),
        features=96,
        flow_steps=8,
        flow_width=64,
        conditioning_widths=(8, 4, 16),
        pixelcnn_width=32,
        pixelcnn_blocks=3,
        dropout=0.0,
        resnet_widths=(48, 48, 24),
        resnet_blocks=(2, 1, 1),
    ),
    "small": NaturalSize(
        latent_maps=8,
        growths=(4, 8, 8),
        dense_steps=(2, 2, 3),
        features=32,
        flow_steps=4,
        flow_width=32,
        conditioning_widths=(8, 4, 8),
        pixelcnn_width=16,
        pixelcnn_blocks=2,
        dropout=0.0,
        resnet_widths=(32, 32, 16),
        resnet_blocks=(1, 1, 1),
    ),
    "smoke": NaturalSize(
        latent_maps=2,
        growths=(2, 2, 2),
        dense_steps=(1, 1, 1),
        features=8,
        flow_steps=2,
        flow_width=8,
        conditioning_widths=(4, 4, 4),
        pixelcnn_width=4,
        pixelcnn_blocks=2,
        dropout=0.0,
        resnet_widths=(8, 8, 8),
        resnet_blocks=(1, 1, 1),
    ),
}
"""Preset paper is the specification's; medium, small and smoke are narrower, with the same receptive field."""


def natural_autoregressive_networks(data: DataSpec, preset: str) -> Networks:
    """DenseNet encoder, prior of masked-convolution flows and PixelCNN++ decoder."""
    size = size_at(preset, NATURAL_SIZES)
    widths = (size.latent_maps, *size.conditioning_widths)
    decoder = PixelCNNPlusPlusDecoder(data.shape, widths, size.pixelcnn_width, size.pixelcnn_blocks, size.dropout)
    return _networks(data, size, decoder)


def natural_factorised_networks(data: DataSpec, preset: str) -> Networks:
    """DenseNet encoder, prior of masked-convolution flows and a residual decoder of independent pixels."""
    size = size_at(preset, NATURAL_SIZES)
    return _networks(
        data, size, ResNetMixtureDecoder(data.shape, size.latent_maps, size.resnet_widths, size.resnet_blocks)
    )


def _networks(data: DataSpec, size: NaturalSize, decoder: Decoder) -> Networks:
    return Networks(
        encoder=DenseNetEncoder(data.shape[0], size.growths, size.dense_steps, size.features),
        posterior=MapPosterior(size.features, size.latent_maps),
        prior=MapFlowPrior((size.latent_maps, *latent_size(data.shape)), size.flow_steps, size.flow_width),
        decoder=decoder,
    )
