"""Finished models scored by another protocol without training: checkpoints x tasks -> jobs that begin with weights."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from mae_bench.atomic import write_atomically
from mae_bench.checkpoint import MODEL_FILE, load_checkpoint
from mae_bench.data import data_spec
from mae_bench.errors import UsageError
from mae_bench.executors.run import kept_record
from mae_bench.plan import Job, other_images
from mae_bench.records.schema import Record
from mae_bench.records.store import Store, read_record
from mae_bench.registry import build_adapter
from mae_bench.rerun import find_model, training_job
from mae_bench.task import Task


@dataclass(frozen=True)
class Evaluation:
    """A job of a trained model (`Job.trained`), and the file of that model's weights."""

    job: Job
    weights: Path


def plan_evaluations(
    checkpoints: Sequence[Path], tasks: Sequence[Task], preset: str, model_files: Sequence[Path] = ()
) -> list[Evaluation]:
    """Every checkpoint once for every task, duplicates removed; each is checked here, before anything is scored.

    checkpoints: as `find_checkpoint` takes them. model_files: where the code of models is that are neither built in nor
    installed (`mae_bench.rerun.find_model`). UsageError or RecordError where a checkpoint is not that of a finished
    training, its code is not found, its weights do not fit, or the images of a task are not of the kind it knows.
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


def find_checkpoint(path: Path) -> tuple[Record, Path]:
    """The record and the weights of the finished job at `path`: its working directory, model file or record.

    UsageError where one of the two is missing or the training was cut short; RecordError where the record is broken.
    """
    path = path.resolve()
    folder = path.with_suffix("") if path.suffix == ".json" else path.parent if path.is_file() else path
    weights, file = folder / MODEL_FILE, folder.with_name(f"{folder.name}.json")
    if not weights.is_file():
        raise UsageError(
            f"there is no trained model in {folder} (no {MODEL_FILE}); give the folder <key> beside the record "
            "<key>.json of a finished job, in the store where it ran."
        )
    if not file.is_file():
        raise UsageError(
            f"{folder} has no record {file.name} beside it to say what model this is; put it there, or finish its job."
        )
    record = read_record(file)
    if record.training.status == "partial":
        raise UsageError(f"the training of {record.title} was cut short; finish its job before it is scored elsewhere.")
    return record, weights


def copy_weights(evaluations: Sequence[Evaluation], store: Store) -> None:
    """Put the weights of what is not yet scored into its working directory in `store`, where `execute` looks for them.

    The copy is what a rerun of the record needs, whatever becomes of the first checkpoint.
    """
    for evaluation in evaluations:
        if kept_record(store, evaluation.job, "only-missing") is None:
            target = store.working_directory(evaluation.job) / MODEL_FILE
            write_atomically(target, evaluation.weights.read_bytes())


def _check_weights(trained: Job, weights: Path) -> None:
    """UsageError unless the file holds the weights of that job's network, from a training that ended."""
    fitted = load_checkpoint(weights)
    assert fitted is not None, "it was there a moment ago"
    if fitted[1].get("status") != "complete":
        raise UsageError(
            f"the training behind {weights} is not complete; finish its job before it is scored elsewhere."
        )
    with torch.random.fork_rng(devices=[]):
        model = build_adapter(trained.model, data_spec(trained.task, trained.preset), trained.preset)
    try:
        model.load_state_dict(fitted[0])
    except RuntimeError as error:
        raise UsageError(
            f"the weights in {weights} are not those of {trained.title}; give the checkpoint beside its own record."
        ) from error
