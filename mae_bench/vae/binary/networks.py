"""The paper's networks for binary images at each preset (specification "Binary images, 28x28")."""

from dataclasses import dataclass

from mae_bench.adapter import DataSpec
from mae_bench.vae.binary.decoders import PixelCNNDecoder, ResNetDecoder
from mae_bench.vae.binary.encoder import GaussianPosterior, ResNetEncoder
from mae_bench.vae.flows import UnitFlowPrior
from mae_bench.vae.parts import Decoder, Networks, size_at


@dataclass(frozen=True)
class BinarySize:
    """The widths and depths of the networks for binary images."""

    units: int
    encoder_widths: tuple[int, ...]
    features: int
    flow_steps: int
    flow_hidden: int
    pixelcnn_width: int
    pixelcnn_kernels: tuple[int, ...]
    resnet_widths: tuple[int, ...]


BINARY_SIZES = {
    "paper": BinarySize(
        units=32,
        encoder_widths=(32, 64, 64),
        features=512,
        flow_steps=8,
        flow_hidden=320,
        pixelcnn_width=64,
        pixelcnn_kernels=(7, 7, 5, 5, 3, 3),
        resnet_widths=(64, 64, 32),
    ),
    "medium": BinarySize(
        units=32,
        encoder_widths=(32, 64, 64),
        features=512,
        flow_steps=8,
        flow_hidden=320,
        pixelcnn_width=32,
        pixelcnn_kernels=(7, 7, 5, 5, 3, 3),
        resnet_widths=(64, 64, 32),
    ),
    "small": BinarySize(
        units=32,
        encoder_widths=(16, 32, 32),
        features=256,
        flow_steps=4,
        flow_hidden=128,
        pixelcnn_width=12,
        pixelcnn_kernels=(5, 3),
        resnet_widths=(32, 32, 16),
    ),
    "smoke": BinarySize(
        units=8,
        encoder_widths=(8, 8, 8),
        features=32,
        flow_steps=2,
        flow_hidden=16,
        pixelcnn_width=8,
        pixelcnn_kernels=(3, 3),
        resnet_widths=(8, 8, 8),
    ),
}
"""Preset paper is the specification's; medium has half its width in the PixelCNN, where most of the time goes; small
and smoke are the same design, narrower and shorter."""


def binary_autoregressive_networks(data: DataSpec, preset: str) -> Networks:
    """ResNet encoder, autoregressive-flow prior and PixelCNN decoder."""
    size = size_at(preset, BINARY_SIZES)
    decoder = PixelCNNDecoder(data.shape, size.units, size.pixelcnn_width, size.pixelcnn_kernels)
    return _networks(data, size, decoder)


def binary_factorised_networks(data: DataSpec, preset: str) -> Networks:
    """ResNet encoder, autoregressive-flow prior and a residual decoder of independent pixels."""
    size = size_at(preset, BINARY_SIZES)
    return _networks(data, size, ResNetDecoder(data.shape, size.units, size.resnet_widths))


def _networks(data: DataSpec, size: BinarySize, decoder: Decoder) -> Networks:
    return Networks(
        encoder=ResNetEncoder(data.shape, size.encoder_widths, size.features),
        posterior=GaussianPosterior(size.features, size.units),
        prior=UnitFlowPrior(size.units, size.flow_steps, size.flow_hidden),
        decoder=decoder,
    )
