"""Every metric and what is known of it before it is measured, in the order of the boards. Does not import torch."""

import re
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Annotated, Literal

from pydantic import AfterValidator

Direction = Literal["lower", "higher", "none"]
Family = Literal["density", "posterior", "probes"]
FAMILIES: dict[Family, str] = {
    "density": "Likelihood",
    "posterior": "Posterior geometry",
    "probes": "Representation: test accuracy",
}
"""The metrics that are measured together, and the heading over their columns."""


@dataclass(frozen=True)
class MetricKind:
    """What is known of a metric before it is measured.

    direction: which values are better; "none" if no value is better than another. decimals: how many a board shows, of
    an accuracy in per cent. lowest, highest: what every image's value lies between, and so their mean does; a `noisy`
    one is estimated by random draws, and its mean may miss the bounds by chance. A `derived` one is in no record, since
    it follows from what is; boards show it.
    """

    name: str
    title: str
    unit: str
    direction: Direction
    family: Family
    decimals: int
    lowest: float = 0.0
    highest: float = inf
    noisy: bool = False
    derived: bool = False


NLL_FALL = "nll_fall"
"""What the last factor of four in importance samples took off the NLL: NLL(K/4) - NLL(K)."""
KINDS = {
    kind.name: kind
    for kind in (
        MetricKind("nll", "NLL", "nats", "lower", "density", 2, noisy=True),
        MetricKind(NLL_FALL, "NLL fall", "nats", "none", "density", 2, derived=True),
        MetricKind("bits_per_dim", "bits/dim", "bits/dim", "lower", "density", 3, noisy=True),
        MetricKind("negative_elbo", "-ELBO", "nats", "lower", "density", 2, noisy=True),
        MetricKind("reconstruction_error", "RE", "nats", "none", "density", 2),
        MetricKind("kl", "KL", "nats", "none", "density", 2, noisy=True),
        MetricKind("effective_sample_size", "ESS", "samples", "none", "density", 1, lowest=1.0),
        MetricKind("mpd", "MPD", "nats", "none", "posterior", 2),
        MetricKind("mpd_std", "MPD STD", "nats", "none", "posterior", 2),
        MetricKind("active_units", "active units", "units", "none", "posterior", 1),
    )
}
MEANINGS = {
    "nll": "-log p(x), estimated by importance sampling: an upper bound that more samples tighten",
    NLL_FALL: "what the last factor of four in importance samples took off the NLL",
    "bits_per_dim": "the NLL in bits, divided by the numbers in an image",
    "negative_elbo": "reconstruction error plus KL, what a VAE minimises; never below the NLL",
    "reconstruction_error": "-log p(x|z), averaged over the posterior",
    "kl": "how far the posterior is from the prior: the information that z carries",
    "effective_sample_size": "how many importance samples carry the weight; few mean a loose NLL",
    "mpd": "mean KL between the posteriors of two images: how different they are",
    "mpd_std": "its standard deviation over pairs: how evenly images are spread",
    "active_units": "dimensions of z whose posterior mean varies between images",
    "kmeans_N": "test accuracy of N clusters, each named as the image nearest to its centre",
    "kmeans_N_majority": "the same, each cluster named by its most frequent class",
    "knn_N": "test accuracy of the nearest neighbours among N labelled images",
    "linear_N": "test accuracy of logistic regression on N labelled images",
    "svm_linear_N": "test accuracy of a linear support vector machine, likewise",
    "svm_rbf_N": "test accuracy of one with a Gaussian kernel, likewise",
}
"""A line for someone who does not know the metric; N for the number in a probe's name."""
_PROBES = {
    r"kmeans_(\d+)": "K-Means {0}",
    r"kmeans_(\d+)_majority": "K-Means {0} (majority)",
    r"knn_(\d+|all)": "KNN {0}",
    r"linear_(\d+|all)": "linear {0}",
    r"svm_linear_(\d+|all)": "SVM linear {0}",
    r"svm_rbf_(\d+|all)": "SVM RBF {0}",
}
"""The probes come in as many forms as a protocol asks for: a pattern of names and the title of each."""


def metric_kind(name: str) -> MetricKind:
    """The kind of the metric `name`; ValueError if there is no such metric."""
    return KINDS[name] if name in KINDS else _probe_kind(name)


@lru_cache(maxsize=1000)
def _probe_kind(name: str) -> MetricKind:
    for pattern, title in _PROBES.items():
        if match := re.fullmatch(pattern, name):
            return _probe(name, title.format(*match.groups()))
    raise ValueError(f"there is no metric {name!r}")


def listed_kinds() -> list[MetricKind]:
    """Every kind for a person to read; a probe comes once, with N for the number in its name."""
    probes = [_probe(re.sub(r"\(.*?\)", "N", pattern), title.format("N")) for pattern, title in _PROBES.items()]
    return [*KINDS.values(), *probes]


def _probe(name: str, title: str) -> MetricKind:
    return MetricKind(name, title, "accuracy", "higher", "probes", 1, highest=1.0)


def metrics_of(family: Family) -> tuple[str, ...]:
    """The metrics of a family that every protocol has, in the order of the boards; none for the probes."""
    return tuple(name for name, kind in KINDS.items() if kind.family == family and not kind.derived)


MetricName = Annotated[str, AfterValidator(lambda name: metric_kind(name).name)]
"""A metric's name in a record or a task file, checked when the file is read."""


def board_order(name: str) -> tuple[int, str, int]:
    """A sort key: density, geometry, then the probes by family and number."""
    if name in KINDS:
        return (list(KINDS).index(name), "", 0)
    number = re.search(r"_(\d+|all)", name)
    family = re.sub(r"_(\d+|all)", "", name)
    count = 0 if number is None else 10**9 if number[1] == "all" else int(number[1])
    return (len(KINDS), family, count)
