"""Mean and spread of a few values, one per seed: the only place where they are computed. Does not import torch."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Sample(NamedTuple):
    """The values of n seeds: their mean, None if n = 0, and their standard deviation (ddof = 1), None if n < 2."""

    mean: float | None
    std: float | None
    n: int


def mean_of(values: Sequence[float]) -> float:
    """The mean of at least one value."""
    with np.errstate(over="ignore", invalid="ignore"):  # absurd values are judged like any others
        return float(np.mean(values))


def sample_of(values: Sequence[float]) -> Sample:
    """The sample of finite `values`. Equal values have a standard deviation of exactly 0, without rounding errors."""
    if not values:
        return Sample(None, None, 0)
    if len(values) == 1:
        return Sample(values[0], None, 1)
    with np.errstate(over="ignore", invalid="ignore"):
        std = float(np.std(values, ddof=1)) if len(set(values)) > 1 else 0.0
    return Sample(mean_of(values), std, len(values))
