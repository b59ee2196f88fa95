"""The progress of a job: a small file in its working directory, written by the process that runs it, read by any other.

The table of a run and `mae-bench status` show it, whichever machine the job is on. Does not import torch.
"""

from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from mae_bench.foundation.errors import RecordError
from mae_bench.foundation.paths import visible
from mae_bench.foundation.untrusted import load_untrusted

PROGRESS_FILE = "progress.json"
STALE_SECONDS = 30.0
"""A running job without a heartbeat for this long is dead, or its machine is. Clocks may differ by less."""

State = Literal["running", "done", "failed", "stopped"]


class JobProgress(BaseModel):
    """The content of the file. Times are seconds since 1970, by the clock of the machine that runs the job."""

    key: str
    title: str
    state: State
    device: str
    host: str
    pid: int
    started: float
    updated: float
    """The time of the last heartbeat."""
    stage: str = ""
    done: int = 0
    total: int = 0
    """0 if it is not known."""
    note: str = ""
    stage_started: float = 0.0
    stage_from: int = 0
    """How much of the stage was done when it started here: resumed training starts partway through."""
    failure: str = ""

    def is_stale(self, now: float) -> bool:
        """Whether it says "running", but its last heartbeat is not within `STALE_SECONDS` of now, past or future."""
        return self.state == "running" and not abs(now - self.updated) <= STALE_SECONDS

    def seconds_left(self) -> float | None:
        """The time left in the stage at its pace so far; None if there is no pace yet or no end is known. Training may
        stop earlier.
        """
        steps = self.done - self.stage_from
        if self.total == 0:
            return None
        if steps <= 0:
            return None
        seconds = (self.updated - self.stage_started) / steps * (self.total - self.done)
        return seconds if isfinite(seconds) else None


def read_progress(path: Path) -> JobProgress | None:
    """The content of the file, which is untrusted; None if there is no file or it cannot be read."""
    try:
        return JobProgress.model_validate(load_untrusted(path, "progress file"), strict=True)
    except (RecordError, ValidationError):
        return None


def all_progress(root: Path) -> Iterator[JobProgress]:
    """The progress of every job under `root`."""
    for path in visible(root, f"**/{PROGRESS_FILE}"):
        if progress := read_progress(path):
            yield progress
