"""How far a row of ours is from a reported one. Does not import torch."""

from dataclasses import dataclass
from math import sqrt

from mae_bench.records.aggregate import Cell


@dataclass(frozen=True)
class Difference:
    """Ours minus reported. standard_error: of ours, None where one seed cannot tell it."""

    value: float
    standard_error: float | None


def difference(ours: Cell, reported: float) -> Difference | None:
    """How far `ours` is from `reported`; None where it has no mean.

    The standard error of our mean has two parts: training, std / sqrt(n) over the n seeds, and the test images, which
    all seeds share, so that more seeds do not make that part smaller. The reported value counts as exact.
    """
    if ours.mean is None:
        return None
    if ours.std is None:
        return Difference(ours.mean - reported, None)
    return Difference(ours.mean - reported, sqrt(ours.std**2 / ours.n + (ours.stderr or 0.0) ** 2))
