"""Which rows of a board cannot be told apart from the best: Welch's test with Holm's correction."""

from collections.abc import Sequence

from mae_bench.boards.spread import Sample
from mae_bench.metrics.catalogue import Direction

ALPHA = 0.05
"""The level of the whole family of comparisons of one metric on one board."""


def inseparable_from_best(samples: Sequence[Sample], direction: Direction) -> set[int]:
    """The indices of the best sample and of all samples that Holm-corrected Welch tests do not separate from it.

    Only samples of at least two seeds with a non-zero variance are tested; the set is empty if there are fewer than two
    of these, or if no direction is better. A sample of one seed may therefore have a better mean than every bold row:
    one seed says nothing about the spread, so it neither wins nor takes the mark from others.

    Holm's family is the comparisons with the best sample, which is itself chosen by the data. If all means are equal,
    some row is still separated from the best on 4 % of boards with three seeds and four rows, and on 7 % with forty
    rows; with ten seeds on 7 % with four rows, 12 % with ten and 22 % with forty (simulated; the tests repeat two).
    """
    tested = [i for i, (mean, std, n) in enumerate(samples) if mean is not None and std and n >= 2]
    if direction == "none" or len(tested) < 2:
        return set()
    sign = 1.0 if direction == "lower" else -1.0
    best = min(tested, key=lambda i: sign * (samples[i][0] or 0.0))
    others = [i for i in tested if i != best]
    separated = holm(welch_each(samples[best], [samples[i] for i in others]))
    return {best, *(i for i, apart in zip(others, separated, strict=True) if not apart)}


def welch(first: Sample, second: Sample) -> float:
    """The two-sided p-value of Welch's t-test that the means are equal (Welch, 1947)."""
    return welch_each(first, [second])[0]


def welch_each(first: Sample, others: Sequence[Sample]) -> list[float]:
    """The p-values of Welch's tests of `first` with each of `others`, made all at once."""
    import numpy as np
    from scipy.stats import ttest_ind_from_stats

    if not others:
        return []
    p_values = ttest_ind_from_stats(*first, *np.array(others, dtype=float).T, equal_var=False).pvalue
    return [float(value) for value in p_values]


def holm(p_values: Sequence[float], alpha: float = ALPHA) -> list[bool]:
    """Which hypotheses Holm's step-down procedure rejects at the family-wise level `alpha` (Holm, 1979).

    The i-th smallest of m p-values (i = 0, 1, ...) is compared with alpha / (m - i); the first above it is the last.
    """
    rejected = [False] * len(p_values)
    for step, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[i] > alpha / (len(p_values) - step):
            break
        rejected[i] = True
    return rejected
