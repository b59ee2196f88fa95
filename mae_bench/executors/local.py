"""The local executor: one process, one device, one job after another. Imports torch only when it runs."""

import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mae_bench.errors import MaeBenchError, UsageError, describe
from mae_bench.executors import OverwriteStrategy
from mae_bench.plan import Job
from mae_bench.records.schema import Record
from mae_bench.records.store import Store
from mae_bench.report.progress import RunDisplay
from mae_bench.task import Task

TRACEBACK_FILE = "error.txt"
"""In a job's working directory: the traceback of its unexpected exception, until the job succeeds."""


@dataclass
class RunSummary:
    """What became of the jobs. failed: each with one sentence."""

    done: list[tuple[Job, Record]] = field(default_factory=list)
    cached: list[tuple[Job, Record]] = field(default_factory=list)
    failed: list[tuple[Job, str]] = field(default_factory=list)

    @property
    def partial(self) -> int:
        """How many of the records, new or kept, come from a training that was cut short."""
        return sum(record.training.status == "partial" for _, record in self.done + self.cached)


def run_jobs(
    jobs: Sequence[Job],
    store: Store,
    *,
    device: str,
    overwrite: OverwriteStrategy,
    exit_on_error: bool,
    max_minutes: float | None,
    checkpoint_minutes: float,
    report: RunDisplay,
) -> RunSummary:
    """Run what the store has no record of, by the rules of `OverwriteStrategy`, and save each record at once.

    The data of every task that is to run is loaded before the first job trains. A failed job does not stop the others
    unless `exit_on_error`. UsageError where the store cannot be written.
    """
    _check_writable(store.root)
    summary = RunSummary()

    def fail(job: Job, sentence: str) -> None:
        summary.failed.append((job, sentence))
        report.end(job.title, f"failed: {sentence}")

    waiting = []
    for job in jobs:
        try:
            kept = kept_record(store, job, overwrite)
        except MaeBenchError as error:
            fail(job, str(error))
            continue
        if kept is None:
            waiting.append(job)
        else:
            summary.cached.append((job, kept))
            report.end(job.title, f"cached{_partial(kept)}")
    faults = _data_faults((job.task for job in waiting), report)
    for job in waiting:
        if summary.failed and exit_on_error:
            break
        start = time.monotonic()
        outcome = faults.get(job.task.name) or _run(
            job,
            store,
            device=device,
            anew=overwrite == "always",
            max_minutes=max_minutes,
            checkpoint_minutes=checkpoint_minutes,
            report=report,
        )
        if isinstance(outcome, str):
            fail(job, outcome)
        else:
            summary.done.append((job, outcome))
            report.end(job.title, f"done in {time.monotonic() - start:.0f} s{_partial(outcome)}")
    return summary


def kept_record(store: Store, job: Job, overwrite: OverwriteStrategy) -> Record | None:
    """The record because of which `job` is not run; None where it is to run. RecordError where its file is broken."""
    record = None if overwrite == "always" else store.find(job)
    if record is not None and record.training.status == "partial" and overwrite == "only-missing":
        return None
    return record


def choose_device(name: str) -> str:
    """The device of that name, tried out; "auto" is CUDA where there is a GPU, else the CPU. UsageError if unusable."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.ones(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f"device {name!r} cannot be used here ({describe(error)}); choose auto, cpu, cuda or cuda:N."
        ) from error
    return name


def _run(
    job: Job,
    store: Store,
    *,
    device: str,
    anew: bool,
    max_minutes: float | None,
    checkpoint_minutes: float,
    report: RunDisplay,
) -> Record | str:
    """The job's record, saved; or one sentence about why there is none. anew: without what an earlier run left."""
    from mae_bench.execute import execute

    working_directory = store.working_directory(job)
    report.start(job.title)
    try:
        if anew and working_directory.exists():
            shutil.rmtree(working_directory)
        record = execute(
            job,
            working_directory=working_directory,
            device=device,
            progress=report.progress,
            max_minutes=max_minutes,
            checkpoint_minutes=checkpoint_minutes,
        )
        store.save(record)
        (working_directory / TRACEBACK_FILE).unlink(missing_ok=True)
    except MaeBenchError as error:
        return str(error)
    except Exception as error:
        return f"{describe(error)} ({_keep_traceback(error, working_directory / TRACEBACK_FILE)})"
    return record


def _keep_traceback(error: Exception, path: Path) -> str:
    """Write the traceback to `path` and say so, or say that it could not be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        return "its traceback could not be written"
    return f"the traceback is in {path}"


def _partial(record: Record) -> str:
    return ", partial" if record.training.status == "partial" else ""


def _data_faults(tasks: Iterable[Task], report: RunDisplay) -> dict[str, str]:
    """What is wrong with the data of the tasks, by the task's name; loads, and where need be downloads, each once."""
    from mae_bench.data import load_data

    faults = {}
    for task in {task.name: task for task in tasks}.values():
        stage = f"data of {task.name}"
        report.progress(stage, 0, 1, "")
        try:
            load_data(task)
        except MaeBenchError as error:
            faults[task.name] = str(error)
        except Exception as error:
            faults[task.name] = f"the data of task {task.name} cannot be loaded ({describe(error)})."
        report.progress(stage, 1, 1, "")
    return faults


def _check_writable(root: Path) -> None:
    """UsageError unless a file of a record's size can be written into `root`."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root) as file:
            file.write(bytes(2**17))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(
            f"records cannot be written to {root} ({error.strerror}); give another folder with --output-dir."
        ) from error
