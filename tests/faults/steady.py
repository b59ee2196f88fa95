"""A small VAE that takes its time, and can be told to fail as machines and programs do. For tests of faults."""

import collections
import itertools
import os
import resource
import signal
import time

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from mae_bench import Adapter, DataSpec, DiagonalGaussian, ImportanceTerms, Loss


class Steady(Adapter):
    """A training step and a chunk of importance samples sleep for the seconds of STEADY_PAUSE, 0.02 unless set.

    fault: "" for none; otherwise what happens at step 5. "memory": it takes memory until the system refuses; "killed":
    it is killed, as the kernel does when memory runs out; "hang": it never returns from a call that holds Python's
    lock; "sleep": it never returns, but other threads go on.
    """

    def __init__(self, data: DataSpec, preset: str, fault: str = "") -> None:
        super().__init__(data, preset)
        self.fault, self.steps = fault, 0
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(data.dimensions, 256), nn.ELU(), nn.Linear(256, 16))
        self.decoder = nn.Sequential(nn.Linear(8, 256), nn.ELU(), nn.Linear(256, data.dimensions))

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(*self.encoder(x).chunk(2, dim=1))

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x).mean

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        time.sleep(float(os.environ.get("STEADY_PAUSE", "0.02")))
        posterior = self.posterior(x)
        prior = DiagonalGaussian(torch.zeros_like(posterior.mean), torch.zeros_like(posterior.mean))
        z = posterior.sample(samples)
        logits = self.decoder(z)
        bits = x.flatten(1).unsqueeze(1).expand_as(logits)
        log_likelihood = -binary_cross_entropy_with_logits(logits, bits, reduction="none").sum(-1)
        return ImportanceTerms(log_likelihood, prior.log_density(z), posterior.log_density(z))

    def loss(self, x: Tensor) -> Loss:
        self.steps += 1
        if self.steps == 5:
            self._fail()
        terms = self.importance_terms(x, 1)
        total = -terms.log_weights.mean()
        return Loss(total, {"reconstruction_error": -terms.log_likelihood.mean()})

    def _fail(self) -> None:
        match self.fault:
            case "memory":
                resource.setrlimit(resource.RLIMIT_AS, (2**35, resource.RLIM_INFINITY))
                blocks = []
                while True:
                    blocks.append(torch.empty(2**28))  # a GiB of addresses, none of it touched
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                collections.deque(itertools.repeat(0), maxlen=0)
            case "sleep":
                time.sleep(3600)
