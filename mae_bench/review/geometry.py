"""What MPD, its standard deviation and the active units can be, from the n(n - 1) divergences that they sum up."""

from collections.abc import Iterator
from math import floor, prod, sqrt

from mae_bench.planning.task import Task
from mae_bench.records.schema import Record
from mae_bench.review.chance import LARGEST_FLOAT32, ROUNDING, SMALLEST_FLOAT32, exceeds

UNITS_PER_DIMENSION = 1024
"""The most latent dimensions for each dimension of an image, which a record does not state. Hierarchical models have
about a hundred (Child, 2021)."""
_LARGEST_OF_A_UNIT = LARGEST_FLOAT32 / SMALLEST_FLOAT32**2
"""Nats: (difference of means)^2 / variance, of means with a prior density in float32 and a deviation above zero."""
_STD_ERRORS = 2.5
"""By how many times the standard deviation its jackknife error can exceed it, whatever n is."""


def geometry_faults(record: Record, task: Task) -> Iterator[str]:
    """Faults in the metrics of the posterior beyond those in each alone."""
    units = UNITS_PER_DIMENSION * prod(task.data.shape)
    values = {name: metric.value for name, metric in record.metrics.items() if metric.value is not None}
    active, mpd, std = values.get("active_units"), values.get("mpd"), values.get("mpd_std")
    if active is not None:
        if active != floor(active):
            yield f"active_units is {active:g}, which is not a number of units"
        if active > units:
            yield f"active_units is {active:g}, but images of this size are given at most {units} latent dimensions"
    if mpd is not None:
        if mpd > units * _LARGEST_OF_A_UNIT:
            yield f"mpd is {mpd:g}, more than {units} dimensions in float32 can give"
        if active and mpd <= 0:
            yield f"active_units is {active:g}, but mpd is {mpd:g}: all posteriors are one"
    if mpd is not None and std is not None:
        yield from _spread_faults(record, max(mpd, 0.0), max(std, 0.0))


def _spread_faults(record: Record, mpd: float, std: float) -> Iterator[str]:
    """N = n(n - 1) numbers, none below zero, with mean m deviate most if all but one are zero: by m sqrt(N - 1).

    The jackknife's mean over the pairs without image i differs from m by that image's share of the row and column
    sums. Of all deviations with a given sum of squares, those of the form a_i + a_j have the largest sums, which gives
    an error of at most STD sqrt(2 / (n - 2)). The standard deviations without image i, t_i, have a mean square of at
    most STD^2, and t_i^2 is at most n / (n - 2) times it; so hardly more than two can be near zero, and their error is
    below 2.5 STD for every n. That every image has the same share to six digits does not happen in practice.
    """
    measured, of_std = record.metrics["mpd"], record.metrics["mpd_std"]
    n = measured.n
    if n < 2:
        return
    largest = mpd * sqrt(n * (n - 1) - 1)
    if exceeds(std, largest):
        yield f"mpd_std is {std:g}, but divergences of {n} images with mean {mpd:g} deviate by at most {largest:g}"
    if n < 4:  # without one image of three a single pair is left, whose two divergences are equal if variances are
        return
    if std == 0 and mpd > ROUNDING:
        yield f"mpd_std is 0, but mpd is {mpd:g}, and no two of {n} images have exactly the same divergence"
    for metric, name, most in (
        (measured, "mpd", std * sqrt(2 / (n - 2))),
        (of_std, "mpd_std", std * min(_STD_ERRORS, sqrt(n - 1))),
    ):
        if metric.stderr is None:
            continue
        if exceeds(metric.stderr, most):
            yield f"{name} has the standard error {metric.stderr:g}, but mpd_std {std:g} allows at most {most:g}"
        if std > ROUNDING and metric.stderr * sqrt(n) < ROUNDING * std:
            yield f"{name} has the standard error {metric.stderr:g}, but the divergences deviate by {std:g}"
