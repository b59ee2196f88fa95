"""Asks a model and checks what it answers, so that a wrong shape is a sentence and never a wrong number.

Answers come back on the CPU, the log-densities and Gaussians in float64, so that every accumulation is in float64 on
any device. All is asked under no_grad rather than inference_mode, which an adapter that takes gradients to answer
(a Langevin proposal, say) could not leave.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mae_bench.adapter import Adapter, DiagonalGaussian, ImportanceTerms
from mae_bench.foundation.errors import MaeBenchError
from mae_bench.foundation.seeding import seed_everything

IMAGES_PER_BATCH = 500
"""Images in one call of `posterior` or `encode`; fixed, since a batch's size may move the last bits of an answer."""

_TERMS = ("log_likelihood", "log_prior", "log_posterior")


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """The global random states of torch (the CPU's and that of `device`), numpy and Python: set from `seed` inside and
    put back after."""
    python, array = random.getstate(), np.random.get_state(legacy=False)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        seed_everything(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(array)


@torch.no_grad()
def ask_importance_terms(adapter: Adapter, x: Tensor, samples: int) -> ImportanceTerms:
    """`adapter.importance_terms(x, samples)`, checked: each [B, samples], float64. MaeBenchError if it is not."""
    terms = adapter.importance_terms(x, samples)
    call, shape = f"importance_terms(x, {samples})", (len(x), samples)
    if not isinstance(terms, ImportanceTerms):
        raise MaeBenchError(_fault(adapter, call, type(terms).__name__, "an ImportanceTerms"))
    return ImportanceTerms(*(_checked(adapter, call, name, getattr(terms, name), shape).double() for name in _TERMS))


def first_not_finite(terms: ImportanceTerms) -> str:
    """The first of the terms that has a value which is not finite; of finite ones, the weights that they make."""
    return next((name for name in _TERMS if not getattr(terms, name).isfinite().all()), "log_weights")


@torch.no_grad()
def ask_posterior(adapter: Adapter, x: Tensor) -> DiagonalGaussian:
    """`adapter.posterior(x)`, checked: mean and log_variance [B, D], float64. MaeBenchError if it is not."""
    gaussian = adapter.posterior(x)
    if not isinstance(gaussian, DiagonalGaussian):
        raise MaeBenchError(_fault(adapter, "posterior(x)", type(gaussian).__name__, "a DiagonalGaussian"))
    mean = _checked(adapter, "posterior(x)", "mean", gaussian.mean, (len(x), None))
    log_variance = _checked(adapter, "posterior(x)", "log_variance", gaussian.log_variance, (len(x), mean.shape[1]))
    return DiagonalGaussian(mean.double(), log_variance.double())


@torch.no_grad()
def ask_representation(adapter: Adapter, x: Tensor) -> NDArray[np.float32]:
    """`adapter.encode(x)`, checked: [B, D], float32. MaeBenchError if it is not."""
    representation = _checked(adapter, "encode(x)", "the representation", adapter.encode(x), (len(x), None))
    array: NDArray[np.float32] = representation.float().numpy()
    return array


def _checked(adapter: Adapter, call: str, what: str, answer: object, shape: tuple[int, int | None]) -> Tensor:
    """`answer` on the CPU if it is a floating-point tensor of `shape` (None: any positive size)."""
    rows, columns = shape
    if (
        isinstance(answer, Tensor)
        and answer.dtype in (torch.float32, torch.float64)
        and answer.dim() == 2
        and len(answer) == rows
        and (answer.shape[1] > 0 if columns is None else answer.shape[1] == columns)
    ):
        return answer.detach().cpu()
    got = f"{_dtype(answer)} {list(answer.shape)}" if isinstance(answer, Tensor) else type(answer).__name__
    wanted = f"a float32 tensor [{rows}, {'D' if columns is None else columns}]"
    raise MaeBenchError(_fault(adapter, call, f"{what} as {got}", wanted))


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _fault(adapter: Adapter, call: str, got: str, wanted: str) -> str:
    return f"{type(adapter).__name__}.{call} returned {got}, not {wanted}; correct the adapter."
