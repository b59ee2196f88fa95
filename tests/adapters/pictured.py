"""A model for its pictures alone: it draws grey images, one grey after another, and reconstructs a negative."""

import sys
import time

import torch
from torch import Tensor

from mae_bench import Adapter, DataSpec, FitContext, Images


class Pictured(Adapter):
    """mood: how it samples. "late" is fast for sixteen images and never done with more, "endless" with any."""

    def __init__(self, data: DataSpec, preset: str, mood: str = "good") -> None:
        super().__init__(data, preset)
        self.mood = mood

    def fit(self, train: Images, validation: Images, context: FitContext) -> None:
        pass

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def sample(self, count: int) -> Tensor:
        if self.mood == "raises":
            raise ValueError("no mood for it")
        if self.mood == "exits":
            sys.exit(3)
        if self.mood == "bright":
            return torch.full((count, *self.data.shape), 2.0)
        while self.mood == "endless" or (self.mood == "late" and count > 16):
            torch.zeros(1).add(1)
            time.sleep(0.001)
        return (torch.arange(count) / 255).view(-1, 1, 1, 1).expand(count, *self.data.shape)

    def reconstruct(self, x: Tensor) -> Tensor:
        return 1 - x
