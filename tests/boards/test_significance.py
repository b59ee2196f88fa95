"""Holm by hand, Welch by its formula, and how often equal rows are told apart."""

import numpy as np
import pytest
from scipy import stats

from mae_bench.boards.significance import holm, inseparable_from_best, welch, welch_each
from mae_bench.boards.spread import Sample


def sample(values):
    return float(np.mean(values)), float(np.std(values, ddof=1)), len(values)


def test_holm_by_hand():
    # Sorted 0.005 < 0.012 < 0.03 < 0.04 against 0.05/4 = 0.0125, 0.05/3 = 0.0167, 0.05/2 = 0.025: the third fails, and
    # the fourth, though below its own 0.05, falls with it. Bonferroni would stop at 0.0125 for all four.
    assert holm([0.03, 0.005, 0.04, 0.012]) == [False, True, False, True]


@pytest.mark.parametrize(
    ("p_values", "rejected"),
    [
        ([], []),
        ([0.05], [True]),
        ([0.0501], [False]),
        ([0.026, 0.026], [False, False]),
        ([0.024, 0.049], [True, True]),
        ([0.013, 0.02, 0.03, 0.04], [False, False, False, False]),
    ],
)
def test_holm_at_its_limits(p_values, rejected):
    assert holm(p_values) == rejected


def test_welch_is_its_formula():
    a, b = [77.9, 78.4, 78.1], [79.0, 80.1, 79.9, 79.2]
    va, vb = np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)
    t = (np.mean(a) - np.mean(b)) / np.sqrt(va + vb)
    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    assert welch(sample(a), sample(b)) == pytest.approx(2 * stats.t.sf(abs(t), freedom), rel=1e-12)
    assert welch(sample(a), sample(b)) == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue, rel=1e-12)


BEST, NEAR, FAR = (78.0, 0.1, 3), (78.1, 0.1, 3), (85.0, 0.1, 3)


def test_the_best_and_what_cannot_be_told_from_it():
    assert inseparable_from_best([FAR, NEAR, BEST], "lower") == {1, 2}
    assert inseparable_from_best([FAR, NEAR, BEST], "higher") == {0}
    assert inseparable_from_best([FAR, NEAR, BEST], "none") == set()


@pytest.mark.parametrize("untested", [(70.0, None, 1), (70.0, 0.0, 3), (None, None, 3)])
def test_untested_rows_neither_win_nor_take_the_mark(untested):
    assert inseparable_from_best([untested, BEST, FAR], "lower") == {1}
    assert inseparable_from_best([untested, BEST], "lower") == set()


def test_holm_spares_what_a_single_test_would_separate():
    # One comparison at p = 0.03 separates; among three such comparisons the smallest is compared with 0.05 / 3.
    best = (0.0, 1.0, 10)
    other = next((m, 1.0, 10) for m in np.linspace(0, 3, 3001) if welch(best, (m, 1.0, 10)) <= 0.03)
    assert inseparable_from_best([best, other], "lower") == {0}
    assert inseparable_from_best([best, other, other, other], "lower") == {0, 1, 2, 3}


@pytest.mark.parametrize(("rows", "seeds", "lowest", "highest"), [(4, 3, 0.02, 0.06), (10, 10, 0.08, 0.16)])
def test_how_often_equal_rows_are_separated(rows, seeds, lowest, highest):
    # The docstring's 4 % and 12 %: 1,000 boards give standard errors of 0.6 and 1.0 %.
    draws = np.random.default_rng(3).standard_normal((1000, rows, seeds))
    separated = sum(len(inseparable_from_best([sample(row) for row in board], "lower")) < rows for board in draws)
    assert lowest < separated / 1000 < highest


def test_many_tests_at_once_are_each_of_them():
    samples = [Sample(float(i), 0.5 + i, 2 + i) for i in range(6)]
    assert welch_each(samples[0], samples[1:]) == [welch(samples[0], one) for one in samples[1:]]
    assert welch_each(samples[0], []) == []
