"""A job as plain data, for a process that may be on another machine: names, numbers and the text of a user's file.

Nothing is pickled. The other process loads the code by name, builds the job again and finds the same key, or says why
not. The weights of a trained model are in the job's working directory (`executors.evaluations.copy_weights`).
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from mae_bench import __version__
from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.adapter_code import FILE
from mae_bench.planning.plan import Job, ModelReference
from mae_bench.planning.registry import check_code
from mae_bench.planning.task import Task

MODEL_FOLDER = "model"
"""In a job's working directory: the user's file that its model comes from."""


def specify(job: Job) -> dict[str, Any]:
    """`job` as JSON. The text of a model from a user's file goes along. UsageError if it has changed meanwhile."""
    check_code(job.model)
    file = FILE.fullmatch(job.model.code)
    return {
        "mae_bench": __version__,
        "key": job.key,
        "model": {
            "name": job.model.name,
            "code": job.model.code,
            "code_hash": job.model.code_hash,
        },
        "params": dict(job.model.params),
        "text": Path(file["path"]).read_text(encoding="utf-8") if file else None,
        **_place(job),
        "seed": job.seed,
        "trained": job.trained and _place(job.trained),
    }


def restore(specification: dict[str, Any], working_directory: Path) -> Job:
    """The job that `specify` described; a user's file is written into `working_directory` and loaded from there.

    UsageError if the model's code or the engine differs from that of the planner.
    """
    model = ModelReference(**specification["model"], params=tuple(sorted(specification["params"].items())))
    if file := FILE.fullmatch(model.code):
        copy = working_directory.resolve() / MODEL_FOLDER / Path(file["path"]).name
        write_atomically(copy, specification["text"].encode())
        model = replace(model, code=f"{copy}:{file['name']}" if file["name"] else str(copy))
    check_code(model)
    seed, trained = specification["seed"], specification["trained"]
    job = Job(model, *_restored(specification), seed, trained and Job(model, *_restored(trained), seed))
    if job.key != specification["key"]:
        raise UsageError(
            f"job {job.title} was planned by mae-bench {specification['mae_bench']}, and {__version__} here makes "
            "another of it; install one version everywhere."
        )
    return job


def _place(job: Job) -> dict[str, Any]:
    """What tells a job from others of the same model and seed."""
    return {"task": job.task.model_dump(mode="json"), "preset": job.preset}


def _restored(place: dict[str, Any]) -> tuple[Task, str]:
    return Task.model_validate(place["task"]), place["preset"]
