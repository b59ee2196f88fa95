"""A run: which jobs have a record, what becomes of the others. Does not import torch until data are loaded."""

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from mae_bench.executors import Executor, OverwriteStrategy
from mae_bench.executors.display import RunDisplay
from mae_bench.foundation.errors import MaeBenchError, UsageError, describe
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
) -> RunSummary:
    """Run what the store has no record of, by the rules of `OverwriteStrategy`, and report each result as it comes.

    The data of every task that is to run is loaded here before the first job trains. A failed job does not stop the
    others unless `exit_on_error`. UsageError if the store cannot be written.
    """
    check_writable(store.root)
    summary = RunSummary()

    def fail(job: Job, sentence: str) -> bool:
        summary.failed.append((job, sentence))
        report.end(job.title, f"failed: {sentence}")
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
    faults = dict(_data_faults((job.task for job in waiting), report))
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


def check_writable(root: Path) -> None:
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


def _partial(record: Record) -> str:
    return ", partial" if record.training.status == "partial" else ""


def _data_faults(tasks: Iterable[Task], report: RunDisplay) -> Iterator[tuple[str, str]]:
    """(a task's name, what is wrong with its data); loads each once, and downloads it if need be."""
    from mae_bench.data import load_data
    from mae_bench.data.download import FOLDER_VARIABLE, data_folder

    for task in {task.name: task for task in tasks}.values():
        stage = f"data of {task.name}"
        report.progress(stage, 0, 1, "")
        try:
            load_data(task)
        except MaeBenchError as error:
            yield task.name, str(error)
        except Exception as error:
            yield (
                task.name,
                f"the data of task {task.name} cannot be loaded ({describe(error)}); see that what lies in "
                f"{data_folder()} can be read, or have {FOLDER_VARIABLE} name another folder.",
            )
        report.progress(stage, 1, 1, "")


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
