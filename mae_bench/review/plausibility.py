"""Numbers that no run can have measured: they contradict the protocol, each other or arithmetic.

What follows from something else in the record is derived again; the rest is bounded by what can be. The
importance-weighted estimates of one record share their draws, so most relations between them hold exactly, up to
rounding. Invented numbers cannot be told from measured ones in general: this finds mistakes, and numbers that were
changed one by one. The modules `density`, `geometry`, `accuracy`, `training` and `machine` have the rules of each
subject.
"""

from collections.abc import Iterator

from mae_bench.foundation.text import quoted
from mae_bench.metrics.catalogue import Family, metric_kind, metrics_of
from mae_bench.metrics.settings import Expected
from mae_bench.planning.task import Protocol, Task
from mae_bench.records.schema import Metric, Record
from mae_bench.review.accuracy import accuracy_faults
from mae_bench.review.chance import NOISE, ROUNDING
from mae_bench.review.density import density_faults
from mae_bench.review.geometry import geometry_faults
from mae_bench.review.machine import machine_faults
from mae_bench.review.training import training_faults


def impossible_values(record: Record, task: Task) -> list[str]:
    """One clause for each fault in the numbers of `record`, which was made under the protocol of `task` at its preset.

    Whether that protocol is the one of a known task is left to `mae_bench.review.check`.
    """
    protocol = task.protocol(record.preset)
    expected = expected_metrics(task, protocol)
    return [
        *_unaccounted(record, set(expected)),
        *_torn_families(record),
        *(
            f"{name} {fault}"
            for name, metric in record.metrics.items()
            if name in expected
            for fault in _metric_faults(name, metric, expected[name], protocol)
        ),
        *density_faults(record, task, protocol),
        *geometry_faults(record, task),
        *training_faults(record, task),
        *machine_faults(record, protocol),
        *_identity_faults(record, task),
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
    for name in sorted(excused):
        if not record.not_supported[name].strip():
            yield f"{quoted(name)} is not supported for no reason"


def _torn_families(record: Record) -> Iterator[str]:
    """One answer of the model decides over a family, so all of its metrics have numbers, or none, or none is there."""
    families: tuple[Family, ...] = ("density", "posterior")
    for family in families:
        names = metrics_of(family)
        states = {
            record.not_supported[name]
            if name in record.not_supported
            else name in record.metrics and record.metrics[name].value is not None
            for name in names
        }
        if len(states) > 1:
            yield f"{', '.join(names)} are measured together, so they have numbers or the same reason for none"


def _metric_faults(name: str, metric: Metric, expected: Expected, protocol: Protocol) -> Iterator[str]:
    kind = metric_kind(name)
    if (metric.unit, metric.direction) != (kind.unit, kind.direction):
        yield f"is in {quoted(metric.unit)} with direction {metric.direction}, not in {kind.unit} with {kind.direction}"
    if metric.n != expected.n:
        yield f"is over {metric.n} test images, but the protocol has {expected.n}"
        return
    value, stderr = metric.value, metric.stderr
    if value is None:
        if not (metric.reason or "").strip() or stderr is not None or metric.draws:
            yield "has no value, so it must have a reason and nothing else"
        return
    if kind.family != "probes" and metric.reason is not None:
        yield f"has the remark {quoted(repr(metric.reason))}, but a run makes remarks on probes alone"
    if stderr is not None and stderr < 0:
        yield f"has the negative standard error {stderr:g}"
        return
    lowest, highest = kind.lowest, kind.highest if expected.highest is None else expected.highest
    slack = ROUNDING * max(1.0, abs(value)) + (NOISE * (stderr or 0.0) if kind.noisy else 0.0)
    if not lowest - slack <= value <= highest + slack:
        yield f"is {value:g}, outside [{lowest:g}, {highest:g}]"
        return
    if len(metric.draws) != expected.draws:
        yield f"has {len(metric.draws)} draws, but the protocol has {expected.draws}"
    elif (stderr is not None) != expected.has_stderr:
        yield "has no standard error" if expected.has_stderr else f"cannot have the standard error {stderr:g}"
    elif kind.family == "probes":
        yield from accuracy_faults(name, metric, expected, protocol.probes)


def _identity_faults(record: Record, task: Task) -> Iterator[str]:
    """Faults in the seed, the names of the parameters and the hashes that the task's likelihood asks for.

    What bits these hashes are of is recomputed by `mae_bench.review.rerun` alone: drawing them needs the data.
    """
    if record.seed < 0:
        yield f"seed is {record.seed}, but cannot be negative"
    for name in record.model.params:
        if not name.isidentifier():
            yield f"{quoted(repr(name))} is not the name of a parameter"
    binary = task.data.likelihood == "bernoulli"
    for which in ("validation_bits", "test_bits"):
        if (getattr(record.hashes, which) is not None) != binary:
            yield f"hashes.{which} is {'null' if binary else 'given'}, but the task is {'' if binary else 'not '}binary"
