"""A Bernoulli model of independent pixels that can be told to fail. For tests of the training loop."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench import Adapter, DataSpec, ImportanceTerms, Loss


class Fragile(Adapter):
    """p(x) = product of Bernoulli(sigmoid(logit)); the likelihood is exact, so all importance samples are equal.

    fault: "" for none; "nan" makes the term kl not a number from step `at` on, "explode" makes the loss grow.
    """

    def __init__(self, data: DataSpec, preset: str, fault: str = "", at: int = 7) -> None:
        super().__init__(data, preset)
        self.fault, self.at = fault, at
        self.logits = nn.Parameter(torch.zeros(data.shape))
        self.register_buffer("steps", torch.zeros(()))

    def log_likelihood(self, x: Tensor) -> Tensor:
        error = F.binary_cross_entropy_with_logits(self.logits.expand_as(x), x, reduction="none")
        return -error.flatten(1).sum(1)

    def loss(self, x: Tensor) -> Loss:
        self.steps += 1
        error = -self.log_likelihood(x).mean()
        kl = torch.zeros(())
        if self.fault and int(self.steps) >= self.at:
            kl = kl + (float("nan") if self.fault == "nan" else 1e9)
        return Loss(error + kl, {"reconstruction_error": error, "kl": kl})

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        columns = self.log_likelihood(x).unsqueeze(1).expand(-1, samples)
        return ImportanceTerms(columns, torch.zeros_like(columns), torch.zeros_like(columns))

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)
