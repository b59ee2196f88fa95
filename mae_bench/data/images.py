"""Images as one tensor of grey levels on the device, and the bits that a binary task sees of them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mae_bench.adapter import Likelihood


def draw_bits(grey: NDArray[np.uint8], levels: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Each pixel 1 with probability grey / levels, exactly: integers below `levels`, compared with the grey level."""
    return random.integers(levels, size=grey.shape) < grey


class GreyImages:
    """A set of images; satisfies `mae_bench.adapter.Images`.

    grey: uint8 [N, C, H, W], at most `levels`. bits: bool [N, C, H, W], drawn once, for validation and test images of a
    binary task; None for training images, which are binarised anew at every call, and where the task is not binary.
    """

    def __init__(self, grey: Tensor, levels: int, likelihood: Likelihood, bits: Tensor | None = None) -> None:
        self.grey = grey
        self.levels = levels
        self.likelihood = likelihood
        self.bits = bits

    def __len__(self) -> int:
        return len(self.grey)

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """x for the images `indices` [B]: float32 [B, C, H, W] in [0, 1].

        Binary task: the fixed bits, or bits drawn anew with `generator`, which lives on the same device; ValueError
        where it is missing. Otherwise grey / levels.
        """
        if self.likelihood != "bernoulli":
            return self._intensity(indices)
        if self.bits is not None:
            return self.bits[indices].float()
        if generator is None:
            raise ValueError("training images are binarised anew at each call: pass context.generator to batch()")
        grey = self.grey[indices]
        draws = torch.randint(self.levels, grey.shape, generator=generator, dtype=torch.uint8, device=grey.device)
        return (draws < grey).float()

    def thresholded(self, indices: Tensor) -> Tensor:
        """What the probes encode, without chance: bits of grey / levels > 0.5, or grey / levels where the task is not
        binary. float32 [B, C, H, W].
        """
        intensity = self._intensity(indices)
        return (intensity > 0.5).float() if self.likelihood == "bernoulli" else intensity

    def subset(self, indices: Tensor) -> "GreyImages":
        """Those images alone, in the order of `indices`."""
        bits = None if self.bits is None else self.bits[indices]
        return GreyImages(self.grey[indices], self.levels, self.likelihood, bits)

    def to(self, device: torch.device | str) -> "GreyImages":
        """The same images on `device`."""
        bits = None if self.bits is None else self.bits.to(device)
        return GreyImages(self.grey.to(device), self.levels, self.likelihood, bits)

    def _intensity(self, indices: Tensor) -> Tensor:
        return self.grey[indices].float() / self.levels
