"""Every metric's unit, direction and title, in the order of the boards. Does not import torch."""

import re
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Direction = Literal["lower", "higher", "none"]


@dataclass(frozen=True)
class MetricKind:
    """What is known of a metric before it is measured. direction "none": no value is better than another."""

    name: str
    title: str
    unit: str
    direction: Direction


@dataclass(frozen=True)
class Measurement:
    """One measured metric.

    value: None where it is not finite, and then `reason` says so; beside a value, `reason` is what to know about it.
    stderr: standard error over the n test images, None where there is none. draws: the values of the single runs of a
    probe, where `value` is their mean. Accuracies lie in [0, 1].
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
    """The outcome of the importance-weighted estimator."""

    nll_by_samples: dict[int, float]
    """NLL estimated from k samples, nats, for k = 1, 4, 16, ...; empty where it is not finite."""


_FIXED = {
    kind.name: kind
    for kind in (
        MetricKind("nll", "NLL", "nats", "lower"),
        MetricKind("bits_per_dim", "bits/dim", "bits/dim", "lower"),
        MetricKind("negative_elbo", "-ELBO", "nats", "lower"),
        MetricKind("reconstruction_error", "RE", "nats", "none"),
        MetricKind("kl", "KL", "nats", "none"),
        MetricKind("effective_sample_size", "ESS", "samples", "none"),
        MetricKind("mpd", "MPD", "nats", "none"),
        MetricKind("mpd_std", "MPD STD", "nats", "none"),
        MetricKind("active_units", "active units", "units", "none"),
    )
}
_PROBES = {
    r"kmeans_(\d+)": "K-Means {0}",
    r"kmeans_(\d+)_majority": "K-Means {0} (majority)",
    r"knn_(\d+|all)": "KNN {0}",
    r"linear_(\d+|all)": "linear {0}",
    r"svm_linear_(\d+|all)": "SVM linear {0}",
    r"svm_rbf_(\d+|all)": "SVM RBF {0}",
}


def metric_kind(name: str) -> MetricKind:
    """The kind of the metric `name`; ValueError where there is no such metric."""
    if name in _FIXED:
        return _FIXED[name]
    for pattern, title in _PROBES.items():
        if match := re.fullmatch(pattern, name):
            return MetricKind(name, title.format(*match.groups()), "accuracy", "higher")
    raise ValueError(f"there is no metric {name!r}")


MetricName = Annotated[str, AfterValidator(lambda name: metric_kind(name).name)]
"""A metric's name in a record or a task file, checked when the file is read."""


def board_order(name: str) -> tuple[int, str, int]:
    """A sort key: density, geometry, then the probes by family and number."""
    if name in _FIXED:
        return (list(_FIXED).index(name), "", 0)
    number = re.search(r"_(\d+|all)", name)
    family = re.sub(r"_(\d+|all)", "", name)
    count = 0 if number is None else 10**9 if number[1] == "all" else int(number[1])
    return (len(_FIXED), family, count)
