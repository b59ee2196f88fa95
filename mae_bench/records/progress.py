"""How far a job is: a small file in its working directory, written by the process that runs it and read by any other.

It is what the table of a run and `mae-bench status` show, whichever machine the job is on. Does not import torch.
"""

from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from mae_bench.foundation.errors import RecordError
from mae_bench.foundation.untrusted import load_untrusted

PROGRESS_FILE = "progress.json"
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
