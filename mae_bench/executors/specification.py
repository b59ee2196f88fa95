"""A job as plain data, for a process that may be on another machine: names, numbers and the texts of a user's files.

Nothing is pickled. The other process loads the code by name, builds the job again and finds the same key, or says why
not. The weights of a trained model are in the job's working directory (`executors.evaluations.copy_weights`).
"""

from base64 import b64decode, b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

from mae_bench import __version__
from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.adapter_code import FILE
from mae_bench.planning.own_files import place_of_file, run_with
from mae_bench.planning.plan import Job, ModelReference
from mae_bench.planning.registry import check_code
from mae_bench.planning.task import Task

MODEL_FOLDER = "model"
"""In a job's working directory: the user's files that its model comes from."""


def specify(job: Job) -> dict[str, Any]:
    """`job` as JSON. The content of a user's file, and of those of its own that it imports, goes along. UsageError if
    the model has changed meanwhile.
    """
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
        **(_files(Path(file["path"])) if file else {}),
        **_place(job),
        "seed": job.seed,
        "trained": job.trained and _place(job.trained),
    }


def restore(specification: dict[str, Any], working_directory: Path) -> Job:
    """The job that `specify` described. A user's file that is not here is written into `working_directory`, with those
    that went along but without others of its folder, and loaded from there.

    UsageError if the model's code or the engine differs from that of the planner.
    """
    model = ModelReference(**specification["model"], params=tuple(sorted(specification["params"].items())))
    if file := FILE.fullmatch(model.code):
        path, main = Path(file["path"]), specification["file"]
        root = path.parents[main.count("/")]
        contents = {name: b64decode(content) for name, content in specification["files"].items()}
        if not all(_holds(root / name, content) for name, content in contents.items()):
            # another machine, or a file that was edited since
            root = working_directory.resolve() / MODEL_FOLDER
            for name, content in contents.items():
                write_atomically(root / name, content)
            path = root / main
            model = replace(model, code=f"{path}:{file['name']}" if file["name"] else str(path))
    check_code(model)
    seed, trained = specification["seed"], specification["trained"]
    job = Job(model, *_restored(specification), seed, trained and Job(model, *_restored(trained), seed))
    if job.key != specification["key"]:
        raise UsageError(
            f"job {job.title} was planned by mae-bench {specification['mae_bench']}, and {__version__} here makes "
            "another of it; install one version everywhere."
        )
    return job


def _files(path: Path) -> dict[str, Any]:
    """The content of the file at `path` and of those that are run with it, by their paths from one folder."""
    root = place_of_file(path).root
    files = {file.relative_to(root).as_posix(): file for file in run_with(path)}
    contents = {name: b64encode(file.read_bytes()).decode() for name, file in files.items()}
    return {"file": path.relative_to(root).as_posix(), "files": contents}


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def _place(job: Job) -> dict[str, Any]:
    """What tells a job from others of the same model and seed."""
    return {"task": job.task.model_dump(mode="json"), "preset": job.preset}


def _restored(place: dict[str, Any]) -> tuple[Task, str]:
    return Task.model_validate(place["task"]), place["preset"]
