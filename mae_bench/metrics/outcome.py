"""What an evaluation gives: measured values, and reasons for those that are absent. Does not import torch."""

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

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
