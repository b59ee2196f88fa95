"""How far a job is: a small file in its working directory, written by the process that runs it and read by any other.

It is what the table of a run and `mae-bench status` show, whichever machine the job is on. Does not import torch.
"""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from math import isfinite
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ValidationError

from mae_bench.atomic import write_atomically
from mae_bench.errors import RecordError
from mae_bench.plan import Job
from mae_bench.records.untrusted import LONGEST_TEXT, load_untrusted

PROGRESS_FILE = "progress.json"
HEARTBEAT_SECONDS = 2.0
STALE_SECONDS = 30.0
"""A running job that was silent for so long is dead, or its machine is. Clocks may differ by less."""

State = Literal["running", "done", "failed", "stopped"]


class JobProgress(BaseModel):
    """What the file holds. Times are seconds since 1970, by the clock of the machine that runs the job."""

    key: str
    title: str
    state: State
    device: str
    host: str
    pid: int
    started: float
    updated: float
    """The last heartbeat."""
    stage: str = ""
    done: int = 0
    total: int = 0
    note: str = ""
    stage_started: float = 0.0
    stage_from: int = 0
    """How much of the stage was done when it started here: a resumed training starts in its midst."""
    failure: str = ""

    def is_stale(self, now: float) -> bool:
        """Whether it says that it runs, and its last heartbeat is not within `STALE_SECONDS` of now, past or future."""
        return self.state == "running" and not abs(now - self.updated) <= STALE_SECONDS

    def seconds_left(self) -> float | None:
        """Of the stage, at the pace so far; None before there is one. Training may stop earlier than its last epoch."""
        steps = self.done - self.stage_from
        if steps <= 0:
            return None
        seconds = (self.updated - self.stage_started) / steps * (self.total - self.done)
        return seconds if isfinite(seconds) else None


def read_progress(path: Path) -> JobProgress | None:
    """What the file says, which anybody may have written; None where there is none, or none that can be read."""
    try:
        return JobProgress.model_validate(load_untrusted(path, "progress file"), strict=True)
    except (RecordError, ValidationError):
        return None


def all_progress(root: Path) -> Iterator[JobProgress]:
    """Of every job under `root`."""
    for path in sorted(root.rglob(PROGRESS_FILE)):
        if progress := read_progress(path):
            yield progress


class Heartbeat:
    """Keeps the file of one job, from a thread of its own: a job that computes for long within one call still lives.

    A file that cannot be written is no reason to end a job; its next checkpoint or record will say so if it is one.
    """

    def __init__(self, working_directory: Path, job: Job, device: str) -> None:
        now = time.time()
        self._path = working_directory / PROGRESS_FILE
        self._progress = JobProgress(
            key=job.key,
            title=job.title,
            state="running",
            device=device,
            host=socket.gethostname(),
            pid=os.getpid(),
            started=now,
            updated=now,
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._write()
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._progress.state == "running":
            self.end("stopped")

    def progress(self, stage: str, done: int, total: int, note: str) -> None:
        """The `mae_bench.adapter.Progress` of the job: cheap, since the thread does the writing."""
        before = self._progress
        new = (stage, total) != (before.stage, before.total)
        self._progress = before.model_copy(
            update={"stage": stage, "done": done, "total": total, "note": note[:LONGEST_TEXT]}
            | ({"stage_started": time.time(), "stage_from": done} if new else {})
        )

    def end(self, state: State, failure: str = "") -> None:
        """The last word about the job."""
        self._ended.set()
        self._thread.join()
        self._progress = self._progress.model_copy(update={"state": state, "failure": failure[:LONGEST_TEXT]})
        self._write()

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            self._write()

    def _write(self) -> None:
        progress = self._progress.model_copy(update={"updated": time.time()})
        with suppress(OSError):
            write_atomically(self._path, progress.model_dump_json(indent=1).encode())
