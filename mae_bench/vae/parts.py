"""What a VAE is made of: the parts that networks for any kind of image supply."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, TypeVar

from torch import Tensor, nn


class Prior(Protocol):
    """log p(z), z [N, units] -> [N] in nats, and draws [count, units]."""

    def log_density(self, z: Tensor) -> Tensor: ...
    def sample(self, count: int) -> Tensor: ...


class Decoder(Protocol):
    """log p(x|z), x [N, C, H, W] and z [N, units] -> [N] in nats, and draws [N, C, H, W].

    activations: how many numbers the largest activation of one image has, about; a pass is cut into parts by it.
    """

    activations: int

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor: ...
    def sample(self, z: Tensor) -> Tensor: ...


class Networks(NamedTuple):
    """The four parts that a VAE is made of beside its objective; each is a module."""

    encoder: nn.Module
    posterior: nn.Module
    prior: Prior
    decoder: Decoder


Size = TypeVar("Size")


def size_at(preset: str, sizes: Mapping[str, Size]) -> Size:
    """The sizes of the networks at `preset`; ValueError names the presets there are."""
    if preset not in sizes:
        raise ValueError(f"there is no preset {preset!r}; choose one of {', '.join(sizes)}")
    return sizes[preset]
