"""Models x tasks x seeds -> jobs, each with its key. Does not import torch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mae_bench import ENGINE_VERSION
from mae_bench.foundation.canonical import sha256_of
from mae_bench.foundation.errors import UsageError
from mae_bench.foundation.text import quoted
from mae_bench.foundation.untrusted import absurdity
from mae_bench.planning.names import model_label, run_title
from mae_bench.planning.task import Task

PRECISION = "float32"


@dataclass(frozen=True)
class ModelReference:
    """A model by name, with every parameter resolved: enough for another process on this machine to load it.

    name: its name on boards. code: where its class is, in the form that `registry.load_adapter_class` takes. code_hash:
    SHA-256 of the text of the adapter's file, and of those of its own that it imports.
    """

    name: str
    code: str
    params: tuple[tuple[str, Any], ...]
    """Sorted by name; the values are JSON."""
    code_hash: str

    @property
    def label(self) -> str:
        """`mae[diversity=paper,eta=1.0,gamma=0.5]`: how the model is written on the command line and on boards."""
        return model_label(self.name, dict(self.params))


@dataclass(frozen=True)
class Job:
    """One (model, task, preset, seed).

    trained: the finished job whose weights this job scores, without training, under the protocol of `task` at `preset`;
    None if this job trains its own.
    """

    model: ModelReference
    task: Task
    preset: str
    seed: int
    trained: "Job | None" = None

    @property
    def key(self) -> str:
        """SHA-256 of everything that determines the job's numbers: a job whose key has a record need not run again."""
        return sha256_of(
            {
                "adapter_source": self.model.code_hash,
                "model": self.model.name,
                "params": dict(self.model.params),
                "engine_version": ENGINE_VERSION,
                "protocol": self.task.resolved(self.preset),
                "preset": self.preset,
                "seed": self.seed,
                "precision": PRECISION,
                **({"trained": self.trained.key} if self.trained else {}),
            }
        )

    @property
    def title(self) -> str:
        """One line that names the job for people."""
        trained_on = f"{self.trained.task.name} {self.trained.preset}" if self.trained else None
        return run_title(self.task.name, self.preset, self.model.label, self.seed, trained_on)


def plan(models: Sequence[ModelReference], tasks: Sequence[Task], preset: str, seeds: Iterable[int]) -> list[Job]:
    """Every model on every task with every seed, by task and then by seed so that a board fills evenly; no duplicates.

    UsageError if a task lacks the preset, or if a record cannot hold a seed or a parameter.
    """
    for task in tasks:
        task.protocol(preset)
    seeds = list(seeds)
    for seed in seeds:
        if fault := absurdity(seed):
            raise UsageError(f"seed {quoted(seed)} does not fit in a record ({fault}); give a smaller one.")
    for model in models:
        if fault := absurdity({"model": {"params": dict(model.params)}}):  # nested as in a record
            raise UsageError(
                f"the parameters of {quoted(model.label)} do not fit in a record ({fault}); give smaller ones."
            )
    jobs = [Job(model, task, preset, seed) for task in tasks for seed in seeds for model in models]
    return list({job.key: job for job in jobs}.values())


def other_images(trained: Task, task: Task) -> str | None:
    """Why models of the task `trained` cannot be scored on `task`, as a clause; None if they can."""
    first, second = _images(trained), _images(task)
    return None if first == second else f"{trained.name} has {first}, and {task.name} has {second}"


def _images(task: Task) -> str:
    """The shape and likelihood of the task's images in words, with the levels if the likelihood models them."""
    data = task.data
    levels = "" if data.likelihood == "bernoulli" else f", levels 0 to {data.levels}"
    return f"images of shape {data.shape} with likelihood {data.likelihood}{levels}"
