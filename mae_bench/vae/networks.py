"""The paper's networks at each preset: which encoder, posterior, prior and decoder a task's images ask for."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from mae_bench.adapter import DataSpec, NotSupported
from mae_bench.vae.decoders import PixelCNNDecoder, ResNetDecoder
from mae_bench.vae.encoders import ResNetEncoder
from mae_bench.vae.posteriors import GaussianPosterior
from mae_bench.vae.priors import AutoregressiveFlowPrior


class Prior(Protocol):
    """log p(z), z [N, units] -> [N] in nats, and draws [count, units]."""

    def log_density(self, z: Tensor) -> Tensor: ...
    def sample(self, count: int) -> Tensor: ...


class Decoder(Protocol):
    """log p(x|z), x [N, C, H, W] and z [N, units] -> [N] in nats, and draws [N, C, H, W]."""

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor: ...
    def sample(self, z: Tensor) -> Tensor: ...


class Networks(NamedTuple):
    """The four parts that a VAE is made of beside its objective; each is a module."""

    encoder: nn.Module
    posterior: nn.Module
    prior: Prior
    decoder: Decoder


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
"""Specification "Binary images, 28x28" at preset paper; small and smoke are the same design, narrower and shorter."""


def autoregressive_networks(data: DataSpec, preset: str) -> Networks:
    """ResNet encoder, autoregressive-flow prior and PixelCNN decoder: the networks of VLAE and MAE."""
    size = _binary_size(data, preset)
    decoder = PixelCNNDecoder(data.shape, size.units, size.pixelcnn_width, size.pixelcnn_kernels)
    return _networks(data, size, decoder)


def factorised_networks(data: DataSpec, preset: str) -> Networks:
    """ResNet encoder, autoregressive-flow prior and a residual decoder of independent pixels: "ResNet VAE with AF"."""
    size = _binary_size(data, preset)
    return _networks(data, size, ResNetDecoder(data.shape, size.units, size.resnet_widths))


def _networks(data: DataSpec, size: BinarySize, decoder: Decoder) -> Networks:
    return Networks(
        encoder=ResNetEncoder(data.shape, size.encoder_widths, size.features),
        posterior=GaussianPosterior(size.features, size.units),
        prior=AutoregressiveFlowPrior(size.units, size.flow_steps, size.flow_hidden),
        decoder=decoder,
    )


def _binary_size(data: DataSpec, preset: str) -> BinarySize:
    if data.likelihood != "bernoulli":
        raise NotSupported(f"these networks are for binary images; a {data.likelihood} needs networks of its own")
    if preset not in BINARY_SIZES:
        raise ValueError(f"there is no preset {preset!r}; choose one of {', '.join(BINARY_SIZES)}")
    return BINARY_SIZES[preset]
