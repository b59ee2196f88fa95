"""The conformance suite for task files: do the images that a file names agree with what it says of them?

`mae-bench check-task` prints the results of `examine_task`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mae_bench.data.arrays import Arrays
from mae_bench.data.declared import declared_faults, hash_fault
from mae_bench.data.sources import load_source
from mae_bench.foundation.errors import MaeBenchError, UsageError
from mae_bench.foundation.process import kept_apart
from mae_bench.planning.task import Task, load_task

Verdict = Literal["ok", "broken", "not applicable"]


@dataclass(frozen=True)
class TaskResult:
    """What one rule found. sentence: what holds, what is broken and how to mend it, or why nothing could be checked."""

    rule: str
    verdict: Verdict
    sentence: str


def examine_task(path: Path, preset: str | None = None) -> Iterator[TaskResult]:
    """Yield a result for each rule: the file, each of its presets, its images, their hash, and what it says of them.

    preset: the only one to be checked; None for all of the file. UsageError if the file has no such preset.
    """
    try:
        task = load_task(path)
    except UsageError as error:
        yield TaskResult("file", "broken", str(error))
        for rule in ("images", "hash", "data"):
            yield TaskResult(rule, "not applicable", "can be checked once the file is mended")
        return
    yield TaskResult("file", "ok", f"every key is known, and none is missing; task {task.name}, version {task.version}")
    if preset is not None and preset not in task.presets:
        task.protocol(preset)  # which says so
    for name in task.presets if preset is None else [preset]:
        found = task.preset_faults(name)
        yield _result(f"preset {name}", "it asks for no more images than there are", "; ".join(found), "lower these")
    try:
        with kept_apart():
            arrays, data_hash = load_source(task)
    except MaeBenchError as error:
        yield TaskResult("images", "broken", str(error))
        for rule in ("hash", "data"):
            yield TaskResult(rule, "not applicable", "can be checked once the images can be loaded")
        return
    yield TaskResult("images", "ok", f"{task.data.source} can be loaded, from {arrays.origin}")
    yield _hash_result(task, arrays, data_hash)
    faults = "; ".join(declared_faults(task, arrays))
    yield _result("data", "shape, levels, labels and sizes are those of the images", faults, "correct [data]")


def _hash_result(task: Task, arrays: Arrays, data_hash: str) -> TaskResult:
    declared = task.data.sha256
    if declared is None or declared == data_hash:
        fault = hash_fault(task, arrays, data_hash)
        return _result(
            "hash", "the images are the ones that the file declares", fault or "", "put the right ones there"
        )
    return TaskResult(
        "hash",
        "broken",
        f"the SHA-256 of the images is {data_hash}, and the file declares {declared}; if these are the images that you "
        f'mean, write sha256 = "{data_hash}" under [data], otherwise put the right ones in their place',
    )


def _result(rule: str, holds: str, fault: str, remedy: str) -> TaskResult:
    return TaskResult(rule, "broken", f"{fault}; {remedy}") if fault else TaskResult(rule, "ok", holds)
