"""A run: which jobs have a record, what becomes of the others. Does not import torch until data are loaded."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from mae_bench.executors import Executor, OverwriteStrategy
from mae_bench.executors.display import RunDisplay
from mae_bench.foundation.errors import MaeBenchError, UsageError, describe
from mae_bench.foundation.process import kept_apart
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import Job
from mae_bench.planning.task import Task
from mae_bench.records.schema import Record
from mae_bench.records.store import Store


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
    executor: Executor,
    settings: JobSettings,
    *,
    overwrite: OverwriteStrategy,
    exit_on_error: bool,
    report: RunDisplay,
    summary: RunSummary | None = None,
) -> RunSummary:
    """Run what the store has no record of, by the rules of `OverwriteStrategy`, and report each result as it comes.

    The data of every task that is to run is loaded here before the first job trains. A failed job does not stop the
    others unless `exit_on_error`; the display is told that it failed, and `summary` why. UsageError if the store cannot
    be written, or if the data of no task can be loaded. summary: filled as results come, so that it outlives an
    interruption; a new one, unless given.
    """
    check_writable(store.root)
    summary = RunSummary() if summary is None else summary

    def fail(job: Job, sentence: str) -> bool:
        summary.failed.append((job, sentence))
        report.end(job.title, "failed")
        return exit_on_error

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
    if overwrite == "always":
        _begin_anew(waiting, store)
    faults = data_faults((job.task for job in waiting), report)
    refuse_if_none_can_run([] if summary.failed else waiting, faults)
    for job in waiting:
        if job.task.name in faults:
            fail(job, faults[job.task.name])
    if summary.failed and exit_on_error:
        return summary
    waiting = [job for job in waiting if job.task.name not in faults]
    with closing(executor.run(waiting, store, settings, report)) as results:
        for result in results:
            if isinstance(result.outcome, str):
                if fail(result.job, result.outcome):
                    break
            else:
                summary.done.append((result.job, result.outcome))
                report.end(result.job.title, f"done in {result.seconds:.0f} s{_partial(result.outcome)}")
    return summary


def kept_record(store: Store, job: Job, overwrite: OverwriteStrategy) -> Record | None:
    """The record that makes a run of `job` unnecessary; None if it is to run. RecordError if its file is broken."""
    if overwrite == "always" or (overwrite == "only-missing" and store.is_superseded(job)):
        return None
    record = store.find(job)
    if record is not None and record.training.status == "partial" and overwrite == "only-missing":
        return None
    return record


def refuse_if_none_can_run(jobs: Sequence[Job], faults: Mapping[str, str]) -> None:
    """UsageError if the data of every task of `jobs` is faulty; a line for each fault. faults: from `data_faults`."""
    if jobs and all(job.task.name in faults for job in jobs):
        raise UsageError("\n".join(dict.fromkeys(faults.values())))


def check_writable(root: Path, *, make: bool = True) -> None:
    """UsageError unless a file of a record's size can be written into `root`.

    make: make the folder if it is not there; otherwise its nearest ancestor is tried out.
    """
    try:
        if make:
            root.mkdir(parents=True, exist_ok=True)
        folder = root if make else next(path for path in (root, *root.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(2**17))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UsageError(
            f"records cannot be written to {root} ({error.strerror}); give another folder with --output-dir."
        ) from error


def _partial(record: Record) -> str:
    return ", partial" if record.training.status == "partial" else ""


def data_faults(tasks: Iterable[Task], report: RunDisplay | None = None, *, download: bool = True) -> dict[str, str]:
    """What is wrong with the data of `tasks`, by the name of the task; loads each once, and downloads it if need be.

    download: False loads what is already here, and passes what would have to be downloaded (`mae_bench.data.look_at`).
    """
    from mae_bench.data import load_data, look_at
    from mae_bench.data.download import FOLDER_VARIABLE, data_folder

    faults = {}
    for task in {task.name: task for task in tasks}.values():
        stage = f"data of {task.name}"
        if report:
            report.progress(stage, 0, 1, "")
        try:
            with kept_apart():  # a source may be anybody's code
                (load_data if download else look_at)(task)
        except MaeBenchError as error:
            faults[task.name] = str(error)
        except Exception as error:
            faults[task.name] = (
                f"the data of task {task.name} cannot be loaded ({describe(error)}); see "
                f"that what lies in {data_folder()} can be read, or have {FOLDER_VARIABLE} name another folder."
            )
        if report:
            report.progress(stage, 1, 1, "")
    return faults


def _begin_anew(jobs: Sequence[Job], store: Store) -> None:
    """Remove the checkpoints, and have the old records count as missing until new ones replace them.

    For all jobs before any starts: one that an executor starts a second time finds its own checkpoints, and a run that
    is interrupted is resumed with "only-missing".
    """
    for job in jobs:
        folder = store.working_directory(job)
        try:
            if folder.exists():
                shutil.rmtree(folder)
            if store.record_path(job).exists():
                store.supersede(job)
        except OSError as error:
            raise UsageError(
                f"the checkpoints in {folder} cannot be removed ({error.strerror}); remove that folder yourself, or "
                "give another store with --output-dir."
            ) from error
