"""Images as one tensor of bytes on the device, and the bits that a binary task makes of them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mae_bench.adapter import Likelihood
from mae_bench.data.arrays import Pixels


def draw_bits(pixels: Pixels, levels: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """A bit for each pixel, 1 with probability pixel / levels exactly: an integer drawn below `levels` is below it."""
    return random.integers(levels, size=pixels.shape) < pixels


class ByteImages:
    """A set of images, grey or in colour; satisfies `mae_bench.adapter.Images`.

    pixels: uint8 [N, C, H, W], from 0 to `levels`. bits: bool [N, C, H, W], drawn once, for the validation and test
    images of a binary task; None for its training images, which `batch` binarises anew at every call, and for tasks
    that are not binary.
    """

    def __init__(self, pixels: Tensor, levels: int, likelihood: Likelihood, bits: Tensor | None = None) -> None:
        self.pixels = pixels
        self.levels = levels
        self.likelihood = likelihood
        self.bits = bits

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """x for the images `indices` [B]: float32 [B, C, H, W] in [0, 1].

        Binary task: the fixed bits, or bits drawn anew by `generator`, which lives on the same device; ValueError if
        they need one and there is none. Otherwise pixels / levels.
        """
        if self.likelihood != "bernoulli":
            return self._intensity(indices)
        if self.bits is not None:
            return self.bits[indices].float()
        if generator is None:
            raise ValueError("training images are binarised anew at each call: pass context.generator to batch()")
        pixels = self.pixels[indices]
        draws = torch.randint(self.levels, pixels.shape, generator=generator, dtype=torch.uint8, device=pixels.device)
        return (draws < pixels).float()

    def thresholded(self, indices: Tensor) -> Tensor:
        """What the probes encode, without chance: float32 [B, C, H, W], of a binary task 1 where pixels / levels > 0.5
        and 0 elsewhere, otherwise pixels / levels.
        """
        intensity = self._intensity(indices)
        return (intensity > 0.5).float() if self.likelihood == "bernoulli" else intensity

    def subset(self, indices: Tensor) -> "ByteImages":
        """The images `indices` alone, in that order."""
        bits = None if self.bits is None else self.bits[indices]
        return ByteImages(self.pixels[indices], self.levels, self.likelihood, bits)

    def to(self, device: torch.device | str) -> "ByteImages":
        """The same images on `device`."""
        bits = None if self.bits is None else self.bits.to(device)
        return ByteImages(self.pixels.to(device), self.levels, self.likelihood, bits)

    def _intensity(self, indices: Tensor) -> Tensor:
        return self.pixels[indices].float() / self.levels
