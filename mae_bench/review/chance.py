"""How far a number may lie beyond a bound by rounding or by chance, and how large one can be at all."""

from math import log

NOISE = 5.0
"""How many standard errors an average may lie beyond a bound that its expectation obeys."""
ROUNDING = 1e-6
"""Relative, for magnitudes above 1; errors of float64 sums are far smaller."""
CHANCE = log(1e6)
"""Nats: by Markov's inequality an estimate of a probability is e^CHANCE times too large once in a million draws."""
LARGEST_FLOAT32 = 3.4028235e38
SMALLEST_FLOAT32 = 1.4e-45
"""The smallest positive one."""


def exceeds(value: float, bound: float) -> bool:
    """Whether `value` lies above `bound` by more than rounding."""
    return value > bound + ROUNDING * max(1.0, abs(bound))


def differs(value: float, wanted: float) -> bool:
    """Whether the two differ by more than rounding."""
    return exceeds(value, wanted) or exceeds(wanted, value)
