"""A model that is nothing: `throughput.py` measures what the harness itself takes for a job of it."""

import torch
from torch import Tensor

from mae_bench import Adapter, FitContext, Images, ImportanceTerms


class Nothing(Adapter):
    """Every pixel is a fair coin."""

    def fit(self, train: Images, validation: Images, context: FitContext) -> None:
        """There is nothing to fit."""

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        zeros = torch.zeros(len(x), samples)
        return ImportanceTerms(zeros - self.data.dimensions * torch.log(torch.tensor(2.0)), zeros, zeros)
