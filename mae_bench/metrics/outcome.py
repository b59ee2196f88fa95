"""What an evaluation gives: measured values, and reasons for those that are absent. Does not import torch."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import TYPE_CHECKING

from mae_bench.foundation.errors import describe
from mae_bench.foundation.text import quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Measurement:
    """One measured metric.

    value: None if it is not finite, and then `reason` says so; beside a value, `reason` is what to know about it.
    stderr: the standard error over the n test images, None if there is none. draws: the values of the single runs of a
    probe, of which `value` is the mean. Accuracies lie in [0, 1].
    """

    name: str
    value: float | None
    stderr: float | None
    n: int
    draws: tuple[float, ...] = ()
    reason: str | None = None

    @classmethod
    def over_images(
        cls,
        name: str,
        per_image: "NDArray[np.float64]",
        draws: tuple[float, ...] = (),
        reason: str | None = None,
    ) -> "Measurement":
        """The mean of finite values, one an image, [n] float64, and its standard error, std(ddof=1) / sqrt(n)."""
        n = len(per_image)
        stderr = float(per_image.std(ddof=1)) / sqrt(n) if n > 1 else None
        return cls(name, float(per_image.mean()), stderr, n, draws, reason)


@dataclass(frozen=True)
class Outcome:
    """What an evaluation found: the metrics it measured, and the reason for each that the model cannot answer."""

    measurements: list[Measurement]
    not_supported: dict[str, str]


@dataclass(frozen=True)
class DensityOutcome(Outcome):
    """What the importance-weighted estimator found."""

    nll_by_samples: dict[int, float]
    """The NLL estimated from k samples, nats, for k = 1, 4, 16, ...; empty if it is not finite."""
    nll_fall_stderr: float | None = None
    """The standard error of NLL(K/4) - NLL(K) over the images; None with one image, and if no K/4 was estimated."""


def without_value(names: Iterable[str], n: int, reason: str) -> list[Measurement]:
    """Measurements over `n` images that have a reason in place of a value."""
    return [Measurement(name, None, None, n, reason=reason) for name in names]


def computed(names: Iterable[str], n: int, measure: Callable[[], list[Measurement]]) -> list[Measurement]:
    """What `measure` gives for `names`; without a value if it raises, or if one of its numbers is not finite.

    measure: computes from answers that the model has given already, so that whatever it raises is about their numbers.
    A lack of memory and other faults of the machine are raised, since the job may succeed elsewhere.
    """
    names = list(names)
    try:
        measurements = measure()
    except Exception as error:
        if _is_of_the_machine(error):
            raise
        return without_value(names, n, f"it cannot be computed from the model's answers: {quoted(describe(error))}")
    for one in measurements:
        if not all(isfinite(number) for number in (one.value, one.stderr, *one.draws) if number is not None):
            return without_value(names, n, f"{one.name} or its standard error is too large for a float64")
    return measurements


def _is_of_the_machine(error: Exception) -> bool:
    words = str(error).lower()  # torch says that memory is lacking by a RuntimeError
    return isinstance(error, MemoryError | OSError) or "allocate memory" in words or "out of memory" in words
