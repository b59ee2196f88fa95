"""A job as plain data, for a process that may be on another machine: names, numbers and the text of a user's file.

Nothing is pickled. The other process loads the code by name, builds the job again and finds the same key, or says why
it does not.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from mae_bench import __version__
from mae_bench.atomic import write_atomically
from mae_bench.errors import UsageError
from mae_bench.plan import Job, ModelReference
from mae_bench.registry import check_source
from mae_bench.sources import FILE
from mae_bench.task import Task

MODEL_FOLDER = "model"
"""In a job's working directory: the user's file that its model comes from."""


def specify(job: Job) -> dict[str, Any]:
    """`job` as JSON. The text of a model from a user's file goes along. UsageError where it has changed meanwhile."""
    check_source(job.model)
    file = FILE.fullmatch(job.model.source)
    return {
        "mae_bench": __version__,
        "key": job.key,
        "model": {
            "name": job.model.name,
            "source": job.model.source,
            "source_hash": job.model.source_hash,
        },
        "params": dict(job.model.params),
        "text": Path(file["path"]).read_text(encoding="utf-8") if file else None,
        "task": job.task.model_dump(mode="json"),
        "preset": job.preset,
        "seed": job.seed,
    }


def restore(specification: dict[str, Any], working_directory: Path) -> Job:
    """The job that `specify` described; a user's file is written into `working_directory` and loaded from there.

    UsageError where the model's code, or the engine, is another than where the job was planned.
    """
    reference = ModelReference(**specification["model"], params=tuple(sorted(specification["params"].items())))
    if file := FILE.fullmatch(reference.source):
        copy = working_directory.resolve() / MODEL_FOLDER / Path(file["path"]).name
        write_atomically(copy, specification["text"].encode())
        reference = replace(reference, source=f"{copy}:{file['name']}" if file["name"] else str(copy))
    check_source(reference)
    job = Job(reference, Task.model_validate(specification["task"]), specification["preset"], specification["seed"])
    if job.key != specification["key"]:
        raise UsageError(
            f"job {job.title} was planned by mae-bench {specification['mae_bench']}, and {__version__} here makes "
            "another of it; install one version everywhere."
        )
    return job
