"""Means and spreads are NumPy's, to the last bit, however many values there are."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mae_bench.boards.spread import mean_of, sample_of

VALUES = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20)


@given(VALUES)
def test_the_bits_are_those_of_numpy(values):
    with np.errstate(all="ignore"):
        mean, std = float(np.mean(values)), float(np.std(values, ddof=1))
    sample = sample_of(values)
    assert np.array_equal([mean_of(values), sample.mean], [mean, mean], equal_nan=True)
    expected = 0.0 if len(set(values)) == 1 else std
    assert np.array_equal(sample.std, expected, equal_nan=True) and sample.n == len(values)
