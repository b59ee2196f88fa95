"""Which likelihoods an adapter answers for: those that it declares, or those of which its constructor takes note.

A model of bits that is given colour images in [0, 1] still returns numbers, and they look better than any density of
256 levels. So a likelihood counts only if the model is known to be made for it. All that decides this is in the
adapter's own class, whose text is part of a job's key, so that one key never stands for two kinds of record.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import get_args

import torch

from mae_bench.adapter import Adapter, DataSpec, Likelihood
from mae_bench.data import data_spec
from mae_bench.foundation.errors import UsageError
from mae_bench.job.isolation import isolated
from mae_bench.metrics.answers import seeded
from mae_bench.planning.plan import Job
from mae_bench.planning.registry import build_adapter, load_adapter_class

LIKELIHOODS: tuple[Likelihood, ...] = get_args(Likelihood)
_PIXELS: dict[Likelihood, str] = {"bernoulli": "bits", "discretized_logistic_mixture": "the 256 levels of a pixel"}
"""What importance_terms must score under each."""
_PREFIX = "not supported by this model: "

Construct = Callable[[DataSpec], Adapter]
"""The model's constructor, with the preset and the parameters of the job."""


def declared_likelihoods(adapter_class: type[Adapter]) -> tuple[Likelihood, ...] | None:
    """What the class, or one that it derives from, sets as `likelihoods`; None if only `Adapter` does.

    UsageError if that is not a collection of known names.
    """
    declared: object = adapter_class.likelihoods
    if declared is Adapter.likelihoods:
        return None
    if not isinstance(declared, list | tuple | set | frozenset) or not declared or set(declared) - set(LIKELIHOODS):
        known = ", ".join(map(repr, LIKELIHOODS))
        raise UsageError(
            f"{adapter_class.__name__}.likelihoods is {declared!r}; make it a set with one or more of {known}."
        )
    return tuple(likelihood for likelihood in LIKELIHOODS if likelihood in declared)


def describe_unanswered(jobs: Iterable[Job]) -> list[str]:
    """A sentence for each model and task of `jobs` whose records will have no density metrics, before any is made.

    UsageError if a declaration is faulty or a constructor fails.
    """
    reasons: dict[tuple[str, str], str | None] = {}
    for job in jobs:
        model, training = job.model, job.trained or job
        if (model.label, job.task.name) not in reasons:
            adapter_class = load_adapter_class(model.code, model.code_hash)
            construct = partial(build_adapter, model, preset=training.preset)
            with isolated(adapter_class):
                reason = unanswered_likelihood(adapter_class, data_spec(training.task, training.preset), construct)
            reasons[model.label, job.task.name] = (
                reason and f"no density metrics of {model.name} on {job.task.name}: {reason.removeprefix(_PREFIX)}."
            )
    return list(dict.fromkeys(filter(None, reasons.values())))


def unanswered_likelihood(adapter_class: type[Adapter], data: DataSpec, construct: Construct) -> str | None:
    """Why what `construct(data)` gives, an `adapter_class`, has no density metrics, in a clause; None if it has.

    UsageError if its declaration is faulty.
    """
    declared, wanted = declared_likelihoods(adapter_class), data.likelihood
    if declared is None and (wanted == "bernoulli" or takes_note(construct(data), construct)):
        return None
    if declared is not None and wanted in declared:
        return None
    answered = " and ".join(declared or Adapter.likelihoods)
    return (
        f"{_PREFIX}{adapter_class.__name__} answers for the likelihood {answered} alone, and the "
        f"task's is {wanted}; declare it in `likelihoods` once importance_terms scores {_PIXELS[wanted]}"
    )


def takes_note(adapter: Adapter, construct: Construct) -> bool:
    """Whether the constructor that made `adapter` for images of 256 levels tells them from bits.

    It does if it declines bits, or gives the model other weights for them: other names or shapes in its state. A model
    that is the same for both cannot know which of the two it scores. The random state is left as it was.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        with seeded(0, device):
            of_bits = construct(replace(adapter.data, likelihood="bernoulli"))
    except Exception:  # NotSupported, as the contract says, or any other way to decline
        return True
    return _shapes(of_bits) != _shapes(adapter)


def _shapes(adapter: Adapter) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in adapter.state_dict().items()}
