"""Curves that several seeds share. Does not import matplotlib."""

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev

LARGEST_DRAWN = 1e9
"""Numbers beyond this are not drawn: no model means them, and axes do not bear them."""
Curve = dict[int, tuple[float, float | None]]
"""x -> the mean over seeds and their standard deviation, None for one seed."""


def over_seeds(seeds: Sequence[Mapping[int, float]]) -> Curve:
    """The mean curve of `seeds`, each x -> y, wherever all of them have a drawable number."""
    shared = set.intersection(*(set(curve) for curve in seeds)) if seeds else set()
    found: Curve = {}
    for x in sorted(shared):
        values = [curve[x] for curve in seeds]
        if all(abs(value) < LARGEST_DRAWN for value in values):
            found[x] = (fmean(values), stdev(values) if len(values) > 1 else None)
    return found
