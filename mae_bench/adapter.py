"""The contract between the harness and a model. Imports torch, but no other module of mae_bench.

A complete adapter is a subclass of `Adapter` that calls `super().__init__(data, preset)` and defines `fit` (or `loss`,
which the default `fit` calls), `importance_terms` and `encode`. All log-probabilities are in nats and summed over
the dimensions of an image. The harness owns everything else: the split, the test bits, the estimator, the seeds.
"""

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

Likelihood = Literal["bernoulli", "discretized_logistic_mixture"]
"""The observation model of a task: "bernoulli" for bits, "discretized_logistic_mixture" for the 256 levels k / 255."""


class NotSupported(Exception):
    """Raised by a method that the model cannot provide; the record states the message as the reason."""


@dataclass(frozen=True)
class DataSpec:
    """What a model is told about the data before it sees any.

    shape: (channels, height, width). likelihood: the observation model of the task. train_size: the number of training
    images. classes: the number of labels (a model never sees a label).
    """

    shape: tuple[int, int, int]
    likelihood: Likelihood
    train_size: int
    classes: int

    @property
    def dimensions(self) -> int:
        """C x H x W: the divisor of bits/dim and the multiplier of free bits."""
        return prod(self.shape)


@dataclass(frozen=True)
class ImportanceTerms:
    """log p(x|z_k), log p(z_k) and log q(z_k|x) for z_k drawn from q(z|x): each [B, K], nats.

    A model with an exact likelihood returns K equal columns (log p(x), 0 and 0).
    """

    log_likelihood: Tensor
    log_prior: Tensor
    log_posterior: Tensor

    @property
    def log_weights(self) -> Tensor:
        """log w_k = log p(x|z_k) + log p(z_k) - log q(z_k|x): [B, K], nats."""
        return self.log_likelihood + self.log_prior - self.log_posterior


@dataclass(frozen=True)
class Loss:
    """total: the scalar to minimise, in nats per image; terms: its named scalar parts, for the training curve.

    Terms named "reconstruction_error" and "kl" are shown on the progress line. They are means over the batch, in nats,
    of -log p(x|z) and of KL(q(z|x) || p(z)), without weights, free bits or other changes.
    """

    total: Tensor
    terms: Mapping[str, Tensor]


@dataclass(frozen=True)
class DiagonalGaussian:
    """A Gaussian with independent dimensions; mean, log_variance: [B, D]."""

    mean: Tensor
    log_variance: Tensor

    def sample(self, count: int) -> Tensor:
        """`count` reparameterised draws for each row: [B, count, D]."""
        noise = torch.randn(
            self.mean.shape[0], count, self.mean.shape[1], device=self.mean.device, dtype=self.mean.dtype
        )
        return self.mean.unsqueeze(1) + torch.exp(0.5 * self.log_variance).unsqueeze(1) * noise

    def log_density(self, z: Tensor) -> Tensor:
        """log q(z) summed over D; z: [B, K, D] -> [B, K], nats."""
        mean, log_variance = self.mean.unsqueeze(1), self.log_variance.unsqueeze(1)
        standardised = (z - mean) * torch.exp(-0.5 * log_variance)
        return -0.5 * (standardised.square() + log_variance + _LOG_TWO_PI).sum(-1)


_LOG_TWO_PI = 1.8378770664093453


class Images(Protocol):
    """A set of images, held on the device as one tensor of bytes."""

    def __len__(self) -> int: ...

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """x for the images `indices` [B]: float32 [B, C, H, W] in [0, 1].

        If the task is binary, training images are binarised afresh at each call with `generator`; validation and test
        images have the bits that the task drew once.
        """
        ...


Progress = Callable[[str, int, int, str], None]
"""progress(stage, done, total, note): called often, so it must be cheap; draws a bar, a line or nothing. total: 0 if it
is not known."""


class OutOfTime(Exception):
    """Raised by `FitContext.loader` and `report` once the minutes of `--max-minutes` are over.

    The weights that the model then has are scored, and its record is partial. A `fit` may catch it to put others in
    their place, and then returns.
    """


class FitContext(Protocol):
    """What `fit` is given besides the images: the default loop, or what a loop of the model's own needs."""

    seed: int
    """The job's. The global random states are seeded from it before `fit`."""
    device: torch.device
    generator: torch.Generator
    """Draws the training bits; lives on the device. The default loop restores it when a job resumes."""
    checkpoint_directory: Path
    """The job's working directory. A custom `fit` may keep here what it needs to resume, under its own file names: the
    harness's files are here too, some of them (progress.json, output.txt, model/) before `fit` is called."""
    progress: Progress

    def train(self, adapter: "Adapter", train: Images, validation: Images, **settings: Any) -> None:
        """Run the default loop (`mae_bench.job.training`); `settings` override single training settings of the task."""
        ...

    def loader(
        self, images: Images, batch_size: int | None = None, *, shuffle: bool = True, epoch: int = 0
    ) -> DataLoader[Tensor]:
        """A DataLoader of batches x, float32 [B, C, H, W] on the device; as many as the task says, or `batch_size`.

        Shuffled, for training: each pass has an order and bits of its own, which the job's seed and the number of the
        pass decide, and the batches are counted as steps; an incomplete last one is left out. Not shuffled, for
        validation: all images in their order. epoch: the passes that are done, where `fit` resumes. While it is
        iterated, OutOfTime is raised once the minutes of `--max-minutes` are over.
        """
        ...

    def report(
        self,
        *,
        epoch: int,
        train: float | Mapping[str, float],
        validation: float | None = None,
        step: int | None = None,
        learning_rate: float | None = None,
        epochs: int | None = None,
    ) -> None:
        """Say how an epoch went: for the record's training curve, for figures and for the progress display.

        epoch: 1, 2, ... train: the mean loss over it, or a mapping of "loss" and other terms, of which
        "reconstruction_error" and "kl" are drawn. validation: the model's own loss on the validation images. step: all
        steps so far, unless `loader` has counted them. epochs: how many `fit` means to take. OutOfTime is raised once
        the minutes of `--max-minutes` are over, unless this was the last. An error for a number that is not finite.
        """
        ...


class Adapter(nn.Module):
    """The base class of models. x is float32 [B, C, H, W] in [0, 1]; bits are 0. and 1.

    data, preset: passed in by the harness. Parameters of a subclass are keyword arguments with defaults, of JSON types:
    users write them in brackets (`mae[eta=2.0]`), and they are part of the job's key.

    Everything that `fit` learns must be in `state_dict()` (parameters and registered buffers, of sizes that the
    constructor sets): the harness always scores a new instance into which that state is loaded.
    """

    likelihoods: ClassVar[Set[Likelihood]] = frozenset({"bernoulli"})
    """The likelihoods that `importance_terms` answers for. On a task of another one the model has no density metrics.

    A class that does not set it answers for bits, and for another likelihood if its constructor takes note of it:
    declines bits, or builds other weights than for bits (`mae_bench.job.likelihoods`).
    """

    def __init__(self, data: DataSpec, preset: str) -> None:
        super().__init__()
        self.data = data
        self.preset = preset

    def initialise(self, x: Tensor) -> None:
        """Called once by the default loop, before the first step, with a batch of training images."""

    def fit(self, train: Images, validation: Images, context: FitContext) -> None:
        """Train the model. The default runs the harness's loop, which calls `loss`."""
        context.train(self, train, validation)

    def loss(self, x: Tensor) -> Loss:
        """The training loss of a batch."""
        raise NotSupported(f"{type(self).__name__} has no loss(x), which the default fit calls")

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        """`samples` draws from the posterior of each image and their three log-densities: each [B, samples]."""
        raise NotSupported(f"{type(self).__name__} has no importance_terms(x, samples), so it has no likelihood")

    def encode(self, x: Tensor) -> Tensor:
        """The representation that the probes are given: [B, D]."""
        raise NotSupported(f"{type(self).__name__} has no encode(x), so it has no representation to probe")

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        """q(z|x), if it is a diagonal Gaussian; mean, log_variance: [B, D]."""
        raise NotSupported("not supported by this model: it has no diagonal Gaussian posterior")

    def reconstruct(self, x: Tensor) -> Tensor:
        """Images drawn from p(x|z), where z is the representation of x: [B, C, H, W] in [0, 1]."""
        raise NotSupported("not supported by this model: it does not reconstruct")

    def sample(self, count: int) -> Tensor:
        """Images drawn from the model: [count, C, H, W] in [0, 1]."""
        raise NotSupported("not supported by this model: it does not sample")
