"""The table of jobs: live during a run of several processes, and once for `mae-bench status`.

Both read the progress files that the jobs write, wherever they run. Imports rich only to draw.
"""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO

from mae_bench.executors.display import RunDisplay
from mae_bench.foundation.errors import RecordError
from mae_bench.foundation.paths import visible
from mae_bench.foundation.text import printable
from mae_bench.planning.plan import Job
from mae_bench.records.estimate import describe_duration
from mae_bench.records.progress import PROGRESS_FILE, JobProgress, read_progress
from mae_bench.records.schema import Record
from mae_bench.records.store import Store, json_files, read_if_record
from mae_bench.report.progress import SECONDS_BETWEEN_LINES, can_draw, stage_line
from mae_bench.report.training_plots import validation_curve

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = ("job", "state", "device", "stage", "epoch, loss, validation", "time left")


@dataclass(frozen=True)
class JobRow:
    """One job as a person reads it. state: a word, and after a colon what else to know of it."""

    title: str
    state: str
    device: str = ""
    stage: str = ""
    note: str = ""
    left: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The row's text, in the order of COLUMNS."""
        return (self.title, self.state, self.device, self.stage, self.note, self.left)


def describe_progress(progress: JobProgress, now: float) -> JobRow:
    """The row of a job that has no record, or is being run again."""
    device = f"{progress.device} of {progress.host}"
    if progress.state == "failed":
        return JobRow(progress.title, "failed", device, note=progress.failure)
    stage = stage_line(progress.stage, progress.done, progress.total) if progress.stage else ""
    if progress.is_stale(now):
        return JobRow(progress.title, f"stale: {_silence(now - progress.updated)}", device, stage, progress.note)
    left = progress.seconds_left()
    shown = describe_duration(left) if progress.state == "running" and left is not None else ""
    return JobRow(progress.title, progress.state, device, stage, progress.note, shown)


def job_rows(root: Path, now: float) -> list[JobRow]:
    """Every job that has a record or a progress file under `root`, running ones first.

    States: running; stale, said to run but silent; failed; stopped, by a signal; broken, a record that cannot be read;
    partial; done.
    """
    rows = {}
    for path in json_files(root):
        if path.name != PROGRESS_FILE and (row := _record_row(path)):
            rows[path.with_suffix("")] = row
    for path in visible(root, f"**/{PROGRESS_FILE}"):
        progress = read_progress(path)
        if progress and (progress.state == "running" or path.parent not in rows):
            rows[path.parent] = describe_progress(progress, now)
    order = ("running", "stale", "failed", "stopped", "broken", "partial", "done")
    return sorted(rows.values(), key=lambda row: (order.index(row.state.partition(":")[0]), row.title))


def draw(rows: Iterable[JobRow]) -> "Table":
    """The rows as a table of rich. Text is shown as it is, brackets too, and none of it can steer the terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row.cells))
    return table


def jobs_display(jobs: Sequence[Job], store: Store, stream: TextIO) -> "AbstractContextManager[RunDisplay]":
    """The display that suits the stream, for jobs that run in other processes."""
    return JobsTable(jobs, store, stream) if can_draw(stream) else JobsLines(jobs, store, stream)


class _JobsDisplay(ABC):
    """Which jobs have ended, and what those that run say of themselves."""

    def __init__(self, jobs: Sequence[Job], store: Store, stream: TextIO) -> None:
        self._folders = {job.title: store.working_directory(job) for job in jobs}
        self._all, self._ended_jobs = len(jobs), 0
        self._stream = stream

    def start(self, title: str) -> None:  # noqa: B027 (no display does anything here)
        """Nothing: a job says itself that it runs."""

    def progress(self, stage: str, done: int, total: int, note: str) -> None:
        """Write a line as a stage of the run itself begins, the loading of data."""
        if done == 0:
            self._write(f"  {stage}")

    def end(self, title: str, outcome: str) -> None:
        """Write the job's number, title and outcome."""
        self._folders.pop(title, None)  # it may be gone: two files with a class of one name give two jobs one title
        self._ended_jobs += 1
        self._write(f"[{self._ended_jobs}/{self._all}] {title}: {outcome}")

    def _running(self) -> Iterator[JobRow]:
        now = time.time()
        for folder in list(self._folders.values()):
            progress = read_progress(folder / PROGRESS_FILE)
            if progress and progress.state == "running" and not progress.is_stale(now):
                yield describe_progress(progress, now)

    @abstractmethod
    def _write(self, line: str) -> None:
        """Show one line."""


class JobsLines(_JobsDisplay):
    """For a log: a line when a job ends, and every 30 seconds a line for each job that runs."""

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._report, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def write_running(self) -> None:
        """Write a line for each job that runs."""
        for row in self._running():
            left = f", {row.left} left" if row.left else ""
            self._write(printable(f"  {row.title}, {row.device}: {row.stage} {row.note}".rstrip() + left))

    def _report(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_LINES):
            self.write_running()

    def _write(self, line: str) -> None:
        print(line, file=self._stream, flush=True)


class JobsTable(_JobsDisplay):
    """For a terminal: a table of the jobs that run, redrawn every second; above it a line for each that has ended."""

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream)
        self._live = Live(get_renderable=self._draw, console=console, refresh_per_second=1, transient=True)
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def _draw(self) -> "Table":
        rows = list(self._running())
        table = draw(rows)
        waiting = self._all - self._ended_jobs - len(rows)
        table.caption = f"{self._all} jobs: {self._ended_jobs} ended, {len(rows)} running, {waiting} waiting"
        return table

    def _write(self, line: str) -> None:
        self._live.console.print(line, markup=False, highlight=False, soft_wrap=True)


def _silence(seconds: float) -> str:
    """How long ago the job was last heard of; a wrong clock or a forger may have dated that in the future."""
    if seconds < 0:
        return f"dated {describe_duration(-seconds)} in the future"
    return f"silent for {describe_duration(seconds)}"


def _record_row(path: Path) -> JobRow | None:
    try:
        record = read_if_record(path)
    except RecordError as error:
        return JobRow(path.name, "broken", note=str(error))
    if record is None:
        return None
    state = "done" if record.training.status == "complete" else "partial"
    clocks = record.clocks
    stage = f"took {describe_duration(clocks.training_seconds + clocks.evaluation_seconds)}"
    return JobRow(record.title, state, record.environment.device, stage, _epochs(record))


def _epochs(record: Record) -> str:
    """How the training ended, in the words of a training that runs."""
    what, losses = validation_curve(record.training.curve)
    values = [value for value in losses.values() if value is not None]
    best = f", best {what} {min(values):.2f}" if values else ""
    return f"{record.training.epochs} epochs{best}"
