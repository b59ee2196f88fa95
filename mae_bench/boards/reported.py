"""How far a measured row is from a reported one. Does not import torch."""

from dataclasses import dataclass
from math import sqrt

from mae_bench.boards.aggregate import Cell

REPORTED_RUNS = 5
"""The number of runs of the paper's probes (Tables 2 and 5); a reported spread is the standard deviation over them."""


@dataclass(frozen=True)
class Difference:
    """The measured mean minus the reported value. standard_error: None for one seed, which has no spread."""

    value: float
    standard_error: float | None


def difference(ours: Cell, reported: float, spread: float | None = None) -> Difference | None:
    """How far `ours` is from `reported`; None if `ours` has no mean. spread: the reported one, over `REPORTED_RUNS`.

    The standard error of our mean has three parts: training, std / sqrt(n) over the n seeds; the test images; and, for
    a probe, the labelled images. All seeds share the images, so more seeds do not make the last two parts smaller. A
    reported value without a spread is taken as exact. If both values were scored on the same test images, the part of
    these is too large, since it mostly cancels; by how much is not known.
    """
    if ours.mean is None:
        return None
    if ours.std is None:
        return Difference(ours.mean - reported, None)
    shared = (ours.stderr or 0.0) ** 2 + (ours.draw_stderr or 0.0) ** 2
    variance = ours.std**2 / ours.n + shared + (spread or 0.0) ** 2 / REPORTED_RUNS
    return Difference(ours.mean - reported, sqrt(variance))
