"""Chance: what the probes score where a representation says nothing."""

import torch
from torch import Tensor

from mae_bench import Adapter, FitContext, Images


class Chance(Adapter):
    """A yardstick for the probes: every image is the same point. Learns nothing and has no likelihood."""

    def fit(self, train: Images, validation: Images, context: FitContext) -> None:
        """Nothing to do."""

    def encode(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x), 1, device=x.device)
