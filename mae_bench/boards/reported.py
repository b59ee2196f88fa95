"""How far a row of ours is from a reported one. Does not import torch."""

from dataclasses import dataclass
from math import sqrt

from mae_bench.boards.aggregate import Cell

REPORTED_RUNS = 5
"""Of the paper's probes (Tables 2 and 5), of which a reported spread is the standard deviation."""


@dataclass(frozen=True)
class Difference:
    """Ours minus reported. standard_error: None where one seed cannot tell it."""

    value: float
    standard_error: float | None


def difference(ours: Cell, reported: float, spread: float | None = None) -> Difference | None:
    """How far `ours` is from `reported`; None where it has no mean. spread: the reported one, over `REPORTED_RUNS`.

    The standard error of our mean has three parts: training, std / sqrt(n) over the n seeds; the test images and, of a
    probe, the labelled images, both of which all seeds share, so that more seeds do not make these parts smaller. A
    reported value without a spread counts as exact. Where ours and the reported value were scored on the same test
    images, their part is too large, since it mostly cancels; how much of it is not known.
    """
    if ours.mean is None:
        return None
    if ours.std is None:
        return Difference(ours.mean - reported, None)
    shared = (ours.stderr or 0.0) ** 2 + (ours.draw_stderr or 0.0) ** 2
    variance = ours.std**2 / ours.n + shared + (spread or 0.0) ** 2 / REPORTED_RUNS
    return Difference(ours.mean - reported, sqrt(variance))
