"""Which likelihoods an adapter answers for: those that it declares, or those of which its constructor takes note.

A model of bits that is given colour images in [0, 1] still returns numbers, and they look better than any density of
256 levels. So a likelihood counts only if the model is known to be made for it. All that decides this is in the
adapter's own class, whose text is part of a job's key, so that one key never stands for two kinds of record.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import torch

from mae_bench.adapter import Adapter, DataSpec, Likelihood
from mae_bench.foundation.errors import UsageError
from mae_bench.metrics.answers import seeded

LIKELIHOODS: tuple[Likelihood, ...] = get_args(Likelihood)
_PIXELS: dict[Likelihood, str] = {"bernoulli": "bits", "discretized_logistic_mixture": "the 256 levels of a pixel"}
"""What importance_terms must score under each."""

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


def unanswered_likelihood(adapter: Adapter, construct: Construct) -> str | None:
    """Why `adapter`, which `construct(adapter.data)` gave, has no density metrics, in a sentence; None if it has.

    UsageError if its declaration is faulty.
    """
    declared, wanted = declared_likelihoods(type(adapter)), adapter.data.likelihood
    if declared is None and (wanted == "bernoulli" or takes_note(adapter, construct)):
        return None
    if declared is not None and wanted in declared:
        return None
    answered = " and ".join(declared or Adapter.likelihoods)
    return (
        f"not supported by this model: {type(adapter).__name__} answers for the likelihood {answered} alone, and the "
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
