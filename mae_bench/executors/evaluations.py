"""Finished models scored by another protocol without training: checkpoints x tasks -> jobs that begin with weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mae_bench.executors.run import kept_record
from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.errors import UsageError
from mae_bench.job.checkpoint import MODEL_FILE
from mae_bench.job.initial_state import INITIAL_FILE
from mae_bench.job.trained import find_checkpoint, find_model, load_model, training_job
from mae_bench.planning.plan import Job, other_images
from mae_bench.planning.task import Task
from mae_bench.records.store import Store


@dataclass(frozen=True)
class Evaluation:
    """A job of a trained model (`Job.trained`), and the file of that model's weights."""

    job: Job
    weights: Path


def plan_evaluations(
    checkpoints: Sequence[Path], tasks: Sequence[Task], preset: str, model_files: Sequence[Path | str] = ()
) -> list[Evaluation]:
    """Every checkpoint once for every task, duplicates removed; each is checked here, before anything is scored.

    checkpoints: as `find_checkpoint` takes them. model_files: the code of models that are neither built in nor
    installed (`find_model`). UsageError or RecordError if a checkpoint is not that of a finished training, its code is
    not found, its weights do not fit, or the images of a task are not of the kind it knows.
    """
    for task in tasks:
        task.protocol(preset)
    found: dict[str, Evaluation] = {}
    for path in checkpoints:
        record, weights = find_checkpoint(path)
        trained = training_job(record, find_model(record, model_files))
        for task in tasks:
            if difference := other_images(trained.task, task):
                raise UsageError(f"{trained.title} cannot be scored on {task.name}: {difference}; choose another task.")
            job = Job(trained.model, task, preset, trained.seed, trained)
            found.setdefault(job.key, Evaluation(job, weights))
        _check_weights(trained, weights)
    return list(found.values())


def copy_weights(evaluations: Sequence[Evaluation], store: Store) -> None:
    """Copy the weights for every missing score to its working directory in `store`, where `execute` looks for them, and
    beside them what the constructor gave when they were trained.

    A rerun of the record needs the copy, even if the first checkpoint is gone.
    """
    for evaluation in evaluations:
        if kept_record(store, evaluation.job, "only-missing") is None:
            folder = store.working_directory(evaluation.job)
            write_atomically(folder / MODEL_FILE, evaluation.weights.read_bytes())
            if (initial := evaluation.weights.with_name(INITIAL_FILE)).exists():
                write_atomically(folder / INITIAL_FILE, initial.read_bytes())


def _check_weights(trained: Job, weights: Path) -> None:
    """UsageError unless the file holds the weights of that job's network, from a training that ended."""
    outcome = load_model(trained, weights, "cpu").outcome
    if outcome.get("status") != "complete":
        raise UsageError(
            f"the training behind {weights} is not complete; finish its job before it is scored elsewhere."
        )
