"""The heartbeat of a job: its process keeps the files of its progress and its curve up to date. Imports no torch."""

import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.untrusted import LONGEST_TEXT
from mae_bench.planning.plan import Job
from mae_bench.records.curve import CURVE_FILE, write_curve
from mae_bench.records.progress import PROGRESS_FILE, JobProgress, State

HEARTBEAT_SECONDS = 2.0


class Heartbeat:
    """Writes the two files of one job from a separate thread, so that a job in a long computation shows life.

    A file that cannot be written does not end the job: if the disk is at fault, its next checkpoint or record says so.
    """

    def __init__(self, working_directory: Path, job: Job, device: str) -> None:
        now = time.time()
        self._path, self._curve_path = working_directory / PROGRESS_FILE, working_directory / CURVE_FILE
        self._curve: Sequence[Mapping[str, Any]] = ()
        self._epochs_written = 0
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

    def curve(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Every epoch of the training so far, as in a record: cheap, like `progress`."""
        self._curve = tuple(rows)

    def end(self, state: State, failure: str = "") -> None:
        """The last word about the job. The record of one that is done has its curve."""
        self._ended.set()
        self._thread.join()
        self._progress = self._progress.model_copy(update={"state": state, "failure": failure[:LONGEST_TEXT]})
        self._write()
        if state == "done":
            with suppress(OSError):
                self._curve_path.unlink(missing_ok=True)

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_SECONDS):
            self._write()

    def _write(self) -> None:
        progress = self._progress.model_copy(update={"updated": time.time()})
        with suppress(OSError):
            write_atomically(self._path, progress.model_dump_json(indent=1).encode())
        curve = self._curve
        if len(curve) != self._epochs_written:
            with suppress(OSError):
                write_curve(self._curve_path, curve)
                self._epochs_written = len(curve)
