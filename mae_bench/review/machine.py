"""What a record can say of the machine that it was made on: clocks, memory, environment and date."""

import re
from collections.abc import Iterator
from datetime import datetime
from math import copysign

from mae_bench.foundation.text import quoted
from mae_bench.planning.task import Protocol
from mae_bench.records.schema import LONGEST_DESCRIPTION, Environment, Record

SHORTEST_CALL = 1e-5
"""Seconds: less than PyTorch takes for the calls of one step, or a classifier's fit, on any processor."""
LONGEST_JOB = 1e8
"""Seconds, three years."""
MEMORY_MIB = {"process": (16.0, 2.0**26), "cuda": (0.0, 2.0**22)}
"""The least and the most, MiB: an interpreter that has imported PyTorch has more than 16 MiB, machines have up to
64 TiB, and devices up to 4 TiB."""
MOST_THREADS = 2**16
_VERSION = re.compile(r"[0-9]+\.[0-9]+[0-9A-Za-z._+!-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_DATE = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\+00:00|Z)")
"""A time in UTC as runs write it. Whether it is to come is not judged: the reader's clock may be wrong too."""


def machine_faults(record: Record, protocol: Protocol) -> Iterator[str]:
    """Faults in clocks, peak memory, environment and date of `record`."""
    yield from _clock_faults(record, protocol)
    yield from _memory_faults(record)
    yield from environment_faults(record.environment)
    if record.training.machine is not None and not _is_description(record.training.machine):
        yield f"training.machine is not a printable text of 1 to {LONGEST_DESCRIPTION} characters"
    yield from date_faults(record.created)


def _clock_faults(record: Record, protocol: Protocol) -> Iterator[str]:
    """Seconds are rounded to three decimals."""
    density, n = protocol.density, max((one.n for name, one in record.metrics.items() if name == "nll"), default=0)
    chunks = density.importance_samples // density.samples_per_chunk * -(-n // density.images_per_shard)
    fits = sum(len(metric.draws) for metric in record.metrics.values())
    for name, seconds, calls in (
        ("training_seconds", record.clocks.training_seconds, record.training.steps),
        ("evaluation_seconds", record.clocks.evaluation_seconds, chunks + fits),
    ):
        if copysign(1.0, seconds) < 0:
            yield f"clocks.{name} is {seconds:g}, but cannot be negative"
        elif not SHORTEST_CALL * calls - 0.001 <= seconds <= LONGEST_JOB or (calls and not seconds):
            yield f"clocks.{name} is {seconds:g}, outside [{SHORTEST_CALL * calls:g}, {LONGEST_JOB:g}]"


def _memory_faults(record: Record) -> Iterator[str]:
    peaks = record.peak_memory_mib
    wanted = {"process"} if record.environment.device == "cpu" else {"process", "cuda"}
    if set(peaks) != wanted:
        found = quoted(", ".join(sorted(peaks)) or "nothing")
        yield f"peak_memory_mib is of {found}, but the device has {' and '.join(sorted(wanted))}"
        return
    for kind, mib in peaks.items():
        lowest, highest = MEMORY_MIB[kind]
        if copysign(1.0, mib) < 0 or not lowest <= mib <= highest:
            yield f"peak_memory_mib.{kind} is {mib:g}, outside [{lowest:g}, {highest:g}]"
    if not 0 <= record.training.parameters <= 2**20 * sum(peaks.values()):
        yield f"training.parameters is {record.training.parameters}, which do not fit in the peak memory at a byte each"


def _is_description(text: str) -> bool:
    return text.isprintable() and 0 < len(text.strip()) <= len(text) <= LONGEST_DESCRIPTION


def environment_faults(environment: Environment) -> Iterator[str]:
    """Faults in what a record or a verification says of software and machine."""
    versions = {name: getattr(environment, name) for name in ("python", "torch", "mae_bench", "numpy", "scikit_learn")}
    words = {name: getattr(environment, name) for name in ("platform", "processor", "device")}
    for name, text in (versions | words).items():
        if text is None:
            continue
        if not _is_description(text):
            yield f"environment.{name} is not a printable text of 1 to {LONGEST_DESCRIPTION} characters"
        elif name in versions and not _VERSION.fullmatch(text):
            yield f"environment.{name} is {quoted(repr(text))}, which is not a version"
    if not 1 <= environment.threads <= MOST_THREADS:
        yield f"environment.threads is {environment.threads}, outside [1, {MOST_THREADS}]"
    commit, dirty = environment.git_commit, environment.git_dirty
    if commit is not None and not _COMMIT.fullmatch(commit):
        yield f"environment.git_commit is {quoted(repr(commit))}, which is not a commit"
    if (commit is None) != (dirty is None):
        yield "environment.git_commit and git_dirty must both be there or both be null"


def date_faults(created: str) -> Iterator[str]:
    """Faults in a time that a run wrote."""
    try:
        datetime.fromisoformat(created)
    except ValueError:
        yield f"created is {quoted(repr(created))}, which is not an ISO 8601 date"
        return
    if not _DATE.fullmatch(created):
        yield f"created is {quoted(repr(created))}, which is not a time in UTC of this century"
