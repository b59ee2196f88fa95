"""Numbers that no run can have measured: they contradict the protocol, each other or arithmetic.

The importance-weighted estimates of one record share their draws, so most relations between them hold exactly, up to
rounding; where chance plays a part, `NOISE` standard errors are allowed. Invented numbers cannot be told from measured
ones in general: this finds mistakes, and numbers that were changed one by one.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from math import floor, inf, log, prod, sqrt

from mae_bench.foundation.text import quoted
from mae_bench.metrics.catalogue import MetricKind, metric_kind
from mae_bench.metrics.settings import Expected, sample_levels
from mae_bench.planning.task import Protocol, Task
from mae_bench.records.schema import Metric, Record

NOISE = 5.0
"""How many standard errors an average may lie beyond a bound that its expectation obeys."""
ROUNDING = 1e-6
"""Relative, for magnitudes above 1; errors of float64 sums are far smaller."""


def impossible_values(record: Record, task: Task) -> list[str]:
    """One clause for each fault in the numbers of `record`, which was made under the protocol of `task` at its preset.

    Whether that protocol is the one of a known task is left to `mae_bench.review.check`.
    """
    protocol = task.protocol(record.preset)
    expected = expected_metrics(task, protocol)
    return [
        *_unaccounted(record, set(expected)),
        *(
            f"{name} {fault}"
            for name, metric in record.metrics.items()
            if name in expected
            for fault in _metric_faults(name, metric, expected[name])
        ),
        *_density_faults(record, task, protocol),
        *_run_faults(record, protocol),
    ]


def expected_metrics(task: Task, protocol: Protocol) -> dict[str, Expected]:
    """Every metric that `protocol` requires."""
    test = task.data.sizes(protocol.subset).test
    families = (protocol.density, protocol.posterior, protocol.probes)
    return {name: one for settings in families for name, one in settings.expected(test).items()}


def _unaccounted(record: Record, expected: set[str]) -> Iterator[str]:
    """Each metric must be measured, or have a reason why it is not supported; no other may be present."""
    measured, excused = set(record.metrics), set(record.not_supported)
    for name in sorted((measured | excused) - expected):
        yield f"{quoted(name)} is not a metric of the protocol"
    for name in sorted(expected - measured - excused):
        yield f"{name} is neither measured nor given a reason for its absence"
    for name in sorted(measured & excused):
        yield f"{quoted(name)} is both measured and not supported"


def _metric_faults(name: str, metric: Metric, expected: Expected) -> Iterator[str]:
    kind = metric_kind(name)
    if (metric.unit, metric.direction) != (kind.unit, kind.direction):
        yield f"is in {quoted(metric.unit)} with direction {metric.direction}, not in {kind.unit} with {kind.direction}"
    if metric.n != expected.n:
        yield f"is over {metric.n} test images, but the protocol has {expected.n}"
        return
    value, stderr = metric.value, metric.stderr
    if value is None:
        if not metric.reason or stderr is not None or metric.draws:
            yield "has no value, so it must have a reason and nothing else"
        return
    if stderr is not None and stderr < 0:
        yield f"has the negative standard error {stderr:g}"
        return
    lowest, highest = _bounds(kind, expected)
    slack = ROUNDING * max(1.0, abs(value)) + (NOISE * (stderr or 0.0) if kind.noisy else 0.0)
    if not lowest - slack <= value <= highest + slack:
        yield f"is {value:g}, outside [{lowest:g}, {highest:g}]"
        return
    if name == "active_units" and value != floor(value):
        yield f"is {value:g}, which is not a number of units"
    yield from _draw_faults(value, metric.draws, expected)
    yield from _stderr_faults(value, stderr, kind, expected)


def _bounds(kind: MetricKind, expected: Expected) -> tuple[float, float]:
    """The bounds of every image's value."""
    return kind.lowest, kind.highest if expected.highest is None else expected.highest


def _draw_faults(value: float, draws: tuple[float, ...], expected: Expected) -> Iterator[str]:
    """A run classifies a whole number of images correctly, and a probe's value is the mean of its runs."""
    if len(draws) != expected.draws:
        yield f"has {len(draws)} draws, but the protocol has {expected.draws}"
        return
    for draw in draws:
        right = draw * expected.n
        if not 0 <= draw <= 1 or abs(right - round(right)) > ROUNDING * expected.n:
            yield f"has a draw of {draw:g}, which is not a share of {expected.n} images"
            return
    if draws and abs(sum(draws) / len(draws) - value) > ROUNDING:
        yield f"is {value:g}, but the mean of its draws is {sum(draws) / len(draws):g}"


def _stderr_faults(value: float, stderr: float | None, kind: MetricKind, expected: Expected) -> Iterator[str]:
    """Values in [a, b] with mean m spread most if all are a or b: variance (m - a)(b - m).

    For an accuracy, each image's value is a multiple of 1 / draws, and the values spread least if all are the two
    multiples nearest to the mean. This allows 0 for a mean that is a multiple; but that every image is classified
    correctly in the same number of draws, neither none nor all, does not happen in practice.
    """
    if (stderr is not None) != expected.has_stderr:
        yield "has no standard error" if expected.has_stderr else f"cannot have the standard error {stderr:g}"
        return
    lowest, highest = _bounds(kind, expected)
    if stderr is None or kind.noisy or highest == inf:
        return
    above, below = max(value - lowest, 0.0), max(highest - value, 0.0)
    largest = sqrt(above * below / (expected.n - 1))
    smallest = 0.0
    if expected.draws:
        fraction = expected.draws * value % 1.0
        smallest = sqrt(fraction * (1 - fraction) / (expected.n - 1)) / expected.draws
        if stderr == 0 and ROUNDING < value < 1 - ROUNDING:
            yield f"is {value:g} with a standard error of 0, which only 0 and 1 can have"
            return
    slack = ROUNDING * highest
    if not smallest - slack <= stderr <= largest + slack:
        yield f"has the standard error {stderr:g}, but {expected.n} images give between {smallest:g} and {largest:g}"


def _density_faults(record: Record, task: Task, protocol: Protocol) -> Iterator[str]:
    values = {name: metric.value for name, metric in record.metrics.items() if metric.value is not None}
    curve = record.nll_by_samples
    if "nll" not in values:
        if curve:
            yield "nll_by_samples has values, but nll has none"
        return
    levels = sample_levels(protocol.density.importance_samples)
    if set(curve) != set(levels):
        yield (
            f"nll_by_samples is for {quoted(', '.join(map(str, sorted(curve))) or 'no')} importance samples, but the "
            f"protocol gives {', '.join(map(str, levels))}"
        )
        return
    for few, many in pairwise(levels):
        if _exceeds(curve[many], curve[few]):
            yield (
                f"nll_by_samples rises from {curve[few]:g} at {few} samples to {curve[many]:g} at {many}, but more of "
                "the same draws never raise it"
            )
    if "negative_elbo" in values and _exceeds(values["nll"], values["negative_elbo"]):
        yield f"negative_elbo is {values['negative_elbo']:g}, below nll, {values['nll']:g}"
    bits = 1 / (prod(task.data.shape) * log(2))
    parts = [values.get(name) for name in ("reconstruction_error", "kl")]
    equal = [
        ("nll", f"nll_by_samples at {levels[-1]}", curve[levels[-1]]),
        ("negative_elbo", "nll_by_samples at 1", curve[1]),
        ("bits_per_dim", f"nll / ({prod(task.data.shape)} log 2)", values["nll"] * bits),
        ("negative_elbo", "reconstruction_error + kl", None if None in parts else sum(part or 0.0 for part in parts)),
    ]
    for name, other, wanted in equal:
        if name in values and wanted is not None and (_exceeds(values[name], wanted) or _exceeds(wanted, values[name])):
            yield f"{name} is {values[name]:g} and {other} is {wanted:g}, but they must be equal"


def _exceeds(value: float, bound: float) -> bool:
    return value > bound + ROUNDING * max(1.0, abs(bound))


def _run_faults(record: Record, protocol: Protocol) -> Iterator[str]:
    """Faults in counts, clocks, the date and the names of the parameters."""
    training = record.training
    most = record.trained.protocol["training"]["max_epochs"] if record.trained else protocol.training.max_epochs
    if training.epochs > most:
        yield f"training took {training.epochs} epochs, but the protocol ends it after {most}"
    if training.best_epoch is not None and training.best_epoch > training.epochs:
        yield f"the best epoch is {training.best_epoch} of {training.epochs}"
    quantities = {
        "seed": record.seed,
        "training.epochs": training.epochs,
        "training.steps": training.steps,
        "training.parameters": training.parameters,
        "clocks.training_seconds": record.clocks.training_seconds,
        "clocks.evaluation_seconds": record.clocks.evaluation_seconds,
        **{f"peak_memory_mib.{quoted(kind)}": mib for kind, mib in record.peak_memory_mib.items()},
    }
    for name, quantity in quantities.items():
        if quantity < 0:
            yield f"{name} is {quantity:g}, but cannot be negative"
    for name in record.model.params:
        if not name.isidentifier():
            yield f"{quoted(repr(name))} is not the name of a parameter"
    try:
        datetime.fromisoformat(record.created)
    except ValueError:
        yield f"created is {quoted(repr(record.created))}, which is not an ISO 8601 date"
