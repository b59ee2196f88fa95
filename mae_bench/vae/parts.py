"""The parts of a VAE that the networks for any kind of image supply."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol, TypeVar

from torch import Tensor, nn


class Prior(Protocol):
    """log p(z), z [N, units] -> [N] in nats, and draws [count, units]."""

    def log_density(self, z: Tensor) -> Tensor: ...
    def sample(self, count: int) -> Tensor: ...


class Decoder(Protocol):
    """log p(x|z), x [N, C, H, W] and z [N, units] -> [N] in nats, and draws [N, C, H, W].

    activations: about how many numbers the largest activation has for one image; it decides how a pass is cut up.
    """

    activations: int

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor: ...
    def sample(self, z: Tensor) -> Tensor: ...


class Networks(NamedTuple):
    """All parts of a VAE but its objective; each is a module."""

    encoder: nn.Module
    posterior: nn.Module
    prior: Prior
    decoder: Decoder


Size = TypeVar("Size")


def size_at(preset: str, sizes: Mapping[str, Size]) -> Size:
    """The sizes of the networks at `preset`; ValueError, with the presets there are, if there is no such preset."""
    if preset not in sizes:
        raise ValueError(f"there is no preset {preset!r}; choose one of {', '.join(sizes)}")
    return sizes[preset]
