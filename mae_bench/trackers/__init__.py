"""Trackers: what shows the training curves, scores and pictures of jobs elsewhere, as TensorBoard does.

A run with trackers starts one more process (`trackers.follower`), which reads the files that jobs write, wherever they
run, and tells the trackers what is new. So no tracker shares a process with a model: it can neither move a number nor
fail a job. Imports no tracker's package.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from mae_bench.planning.plan import Job


@dataclass(frozen=True)
class TrackedJob:
    """What a tracker knows of a job. params: the model's, as JSON; name: for people, without task and preset."""

    key: str
    task: str
    task_version: int
    preset: str
    model: str
    params: dict[str, Any]
    seed: int
    name: str

    @classmethod
    def of(cls, job: Job) -> Self:
        """What can be told of `job`."""
        model, task = job.model, job.task
        name = f"{model.label} seed {job.seed}"
        return cls(job.key, task.name, task.version, job.preset, model.name, dict(model.params), job.seed, name)

    @property
    def group(self) -> str:
        """Task and preset: what the runs of one board have in common."""
        return f"{self.task} {self.preset}"

    @property
    def config(self) -> dict[str, Any]:
        """Everything but the name, flat; parameters are called model.NAME."""
        place = {"key": self.key, "task": self.task, "task_version": self.task_version, "preset": self.preset}
        return place | {"model": self.model, "seed": self.seed} | {f"model.{k}": v for k, v in self.params.items()}


class Tracker(Protocol):
    """A job's run in a tracker, which begins where an instance is made.

    Exceptions stop the tracker with a warning, and nothing else. What it prints is not shown.
    """

    run: str
    """Its own name for the run, which is given to the next instance for this job."""

    def __init__(self, folder: Path, job: TrackedJob, run: str | None) -> None:
        """Go on with `run`; None begins a new one. folder: this tracker's in the store, for all jobs; it may be
        missing. No JSON lies there outside dot-folders, so that a store finds no more than its records."""
        ...

    @classmethod
    def look(cls, folder: Path) -> str:
        """The shell's command to look at what is in `folder`. UsageError if the tracker cannot be used here: asked
        once, before anything trains."""
        ...

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """What training measured in an epoch. Each epoch comes once, in turn, and can be seen at once."""
        ...

    def score(self, epoch: int, values: Mapping[str, float]) -> None:
        """The metrics of the job's record, made after so many epochs."""
        ...

    def show(self, epoch: int, name: str, picture: Path) -> None:
        """A PNG that lies beside the record."""
        ...

    def close(self, *, finished: bool) -> None:
        """The end for this process. finished: the record has been told of; otherwise the job may go on another time."""
        ...
