"""Mean and spread of a few values, one per seed: the only place where they are computed. Does not import torch."""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np


class Sample(NamedTuple):
    """The values of n seeds: their mean, None if n = 0, and their standard deviation (ddof = 1), None if n < 2."""

    mean: float | None
    std: float | None
    n: int


FEW = 8
"""Below so many values NumPy adds one after another, so that a loop gives its very bits in a tenth of the time."""


def mean_of(values: Sequence[float]) -> float:
    """The mean of at least one value."""
    if len(values) < FEW:
        return _total(values) / len(values)
    with np.errstate(over="ignore", invalid="ignore"):  # absurd values are judged like any others
        return float(np.mean(values))


def sample_of(values: Sequence[float]) -> Sample:
    """The sample of finite `values`. Equal values have a standard deviation of exactly 0, without rounding errors."""
    if not values:
        return Sample(None, None, 0)
    if len(values) == 1:
        return Sample(values[0], None, 1)
    mean = mean_of(values)
    if len(set(values)) == 1:
        return Sample(mean, 0.0, len(values))
    if len(values) < FEW:
        squares = _total([(value - mean) * (value - mean) for value in values])
        return Sample(mean, sqrt(squares / (len(values) - 1)), len(values))
    with np.errstate(over="ignore", invalid="ignore"):
        return Sample(mean, float(np.std(values, ddof=1)), len(values))


def _total(values: Sequence[float]) -> float:
    """The sum from the first to the last; Python's own `sum` corrects rounding errors, which NumPy does not."""
    total = -0.0  # as NumPy begins, so that the sum of -0.0 is itself
    for value in values:
        total += value
    return total
