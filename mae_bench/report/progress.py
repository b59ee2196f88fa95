"""What a run shows while it runs: bars on a terminal or in a notebook, plain lines elsewhere. Imports rich for bars."""

import sys
import time
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Self, TextIO

from mae_bench.executors.display import RunDisplay

if TYPE_CHECKING:
    from rich.progress import TaskID

SECONDS_BETWEEN_LINES = 30.0


def run_display(jobs: int, stream: TextIO) -> "AbstractContextManager[RunDisplay]":
    """The display that suits the stream, for a run of `jobs` jobs in this process."""
    return TerminalDisplay(jobs, stream) if can_draw(stream) else PlainDisplay(jobs, stream)


def stage_line(stage: str, done: int, total: int) -> str:
    """How far a stage is: "training 20/340", or without the end if that is not known (0)."""
    return f"{stage} {done}/{total}" if total else f"{stage} {done}"


def can_draw(stream: TextIO) -> bool:
    """Whether rich can draw there again and again: on a terminal, or in a notebook with ipywidgets."""
    if stream.isatty():
        return True
    if stream is not sys.stderr or "ipykernel" not in sys.modules or find_spec("ipywidgets") is None:
        return False
    from rich.console import Console

    return Console().is_jupyter


class PlainDisplay:
    """A line when a job starts or ends and when a stage of it ends; within a stage, one every 30 seconds."""

    def __init__(self, jobs: int, stream: TextIO) -> None:
        self._jobs, self._stream, self._ended = jobs, stream, 0
        self._stage = ("", 0)
        self._unwritten: str | None = None
        self._last_written = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._end_stage()

    def start(self, title: str) -> None:
        """Write the job's number and title."""
        self._end_stage()
        self._write(f"[{self._ended + 1}/{self._jobs}] {title}")

    def progress(self, stage: str, done: int, total: int, note: str) -> None:
        """Write a line if 30 seconds have passed since the last; a stage of another name or total is a new one."""
        if (stage, total) != self._stage:
            self._end_stage()
            self._stage = (stage, total)
        self._unwritten = f"  {stage_line(stage, done, total)} {note}".rstrip()
        if time.monotonic() - self._last_written >= SECONDS_BETWEEN_LINES:
            self._write(self._unwritten)

    def end(self, title: str, outcome: str) -> None:
        """Write the job's number, title and outcome."""
        self._end_stage()
        self._ended += 1
        self._write(f"[{self._ended}/{self._jobs}] {title}: {outcome}")

    def _end_stage(self) -> None:
        if self._unwritten is not None:
            self._write(self._unwritten)
        self._stage = ("", 0)

    def _write(self, line: str) -> None:
        print(line, file=self._stream, flush=True)
        self._last_written = time.monotonic()
        self._unwritten = None


class TerminalDisplay:
    """Two bars, for the jobs and for the stage of the one that runs; above them a line when a job starts or ends."""

    def __init__(self, jobs: int, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=Console(file=stream),
            transient=True,
        )
        self._jobs, self._ended = jobs, 0
        self._jobs_bar = self._bars.add_task("jobs", total=jobs, note="")
        self._stage = ("", 0)
        self._stage_bar: TaskID | None = None

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bars.stop()

    def start(self, title: str) -> None:
        """Write the job's number and title above the bars."""
        self._end_stage()
        self._write(f"[{self._ended + 1}/{self._jobs}] {title}")

    def progress(self, stage: str, done: int, total: int, note: str) -> None:
        """Move the stage's bar; a stage of another name or total is a new one and gets a new bar in its place."""
        if self._stage_bar is None or (stage, total) != self._stage:
            self._end_stage()
            self._stage = (stage, total)
            self._stage_bar = self._bars.add_task(stage, total=total or None, note=note)
        self._bars.update(self._stage_bar, completed=done, note=note)

    def end(self, title: str, outcome: str) -> None:
        """Write the job's number, title and outcome above the bars."""
        self._end_stage()
        self._ended += 1
        self._write(f"[{self._ended}/{self._jobs}] {title}: {outcome}")
        self._bars.update(self._jobs_bar, completed=self._ended)

    def _end_stage(self) -> None:
        if self._stage_bar is not None:
            self._bars.remove_task(self._stage_bar)
        self._stage_bar = None

    def _write(self, line: str) -> None:
        self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)
