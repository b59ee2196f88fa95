"""Records' jobs run again, in a folder of their own, and held against the records. Imports and runs submitted code."""

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from mae_bench import ENGINE_VERSION
from mae_bench.adapter import Progress
from mae_bench.checkpoint import MODEL_FILE, load_checkpoint, save_checkpoint
from mae_bench.errors import MaeBenchError, RecordError, UsageError, describe
from mae_bench.execute import execute
from mae_bench.plan import Job, ModelReference
from mae_bench.records.schema import Record
from mae_bench.records.store import Store
from mae_bench.records.verification import ComparedMetric, How, Verification, compare_with_rerun
from mae_bench.registry import find_named_model
from mae_bench.sources import file_hash, load_class
from mae_bench.task import Protocol, Task
from mae_bench.text import quoted
from mae_bench.training_state import TrainingOutcome


@dataclass(frozen=True)
class Rerun:
    """How a record came out. disagreements: one clause for each, in words; none where the record is verified."""

    verification: Verification
    disagreements: tuple[str, ...]


def rerun_record(
    record: Record,
    task: Task,
    *,
    checkpoint: Path | None,
    model_files: Sequence[Path],
    device: str,
    progress: Progress,
) -> Rerun:
    """Evaluate the weights of `checkpoint` by the protocol of `record`, or train anew where that is None; compare.

    The code is that of the file in `model_files` whose source has the hash in the record, or else that of the model of
    the record's name, built in or installed, if it has that hash. Nothing is imported whose hash is another. Nothing
    beside the record is read but the weights, or written. RecordError where the job cannot be run again.
    """
    if record.training.status == "partial":
        raise RecordError(
            f"record {record.key}.json is partial ({quoted(record.training.reason)}), and no rerun stops where it did; "
            "run its job to the end, then verify that record."
        )
    model = find_model(record, model_files)
    trained = training_job(record, model) if record.trained else None
    if trained and checkpoint is None:
        raise RecordError(
            f"record {record.key}.json is of a model that was trained elsewhere; give the store with its checkpoint by "
            "--checkpoints."
        )
    job = Job(model, task, record.preset, record.seed, trained)
    how: How = "trained anew" if checkpoint is None else "re-evaluated from the checkpoint"
    try:
        again = _execute(job, record, checkpoint, device, progress)
    except MaeBenchError as error:
        raise RecordError(f"record {record.key}.json could not be {how}: {error}") from error
    except Exception as error:
        raise RecordError(
            f"record {record.key}.json could not be {how} ({quoted(describe(error))}); "
            "run it where its model runs, with the weights that it was measured with."
        ) from error
    verification = compare_with_rerun(record, again, how, task)
    return Rerun(verification, tuple(_disagreements(record, again, verification)))


def find_model(record: Record, model_files: Sequence[Path]) -> ModelReference:
    """The model that `record` names, its code found as `rerun_record` says; RecordError where it is nowhere."""
    name, wanted = record.model.name, record.hashes.adapter_source
    remedy = "give the file that the record was made with by --model-file"
    for file in model_files:
        if file_hash(file) == wanted:
            source = _source_of(file.resolve(), name)
            break
    else:
        try:
            source, found = find_named_model(name)
        except UsageError as error:
            raise RecordError(
                f"the code of record {record.key}.json is not here: no model {name} is built in or installed, and no "
                f"file given has its source; {remedy}."
            ) from error
        if found != wanted:
            raise RecordError(
                f"the code of record {record.key}.json is not here: the source of model {name} has the hash "
                f"{found[:8]} and the record's is {wanted[:8]}; {remedy}."
            )
    return ModelReference(name, source, tuple(sorted(record.model.params.items())), wanted)


def training_job(record: Record, model: ModelReference) -> Job:
    """The job that trained what `record` scored, from the record alone: its own, or that of its section `trained`.

    RecordError where this mae-bench would make another job of it.
    """
    recorded = record.trained or record
    try:
        job = Job(model, _recorded_task(recorded.protocol, recorded.preset), recorded.preset, record.seed)
        known = job.key == recorded.key
    except (KeyError, ValidationError):
        known = False
    if not known:
        raise RecordError(
            f"record {record.key}.json is of engine version {record.engine_version}, and this mae-bench, of engine "
            f"version {ENGINE_VERSION}, gives its job another key; use the one that made it, or train the model again."
        )
    return job


def checkpoint_of(record: Record, path: Path, store: Path | None) -> Path | None:
    """The weights of `record`: those beside its file `path`, or those in `store`; None where there are none."""
    beside = path if store is None else Store(store).path_of(record)
    weights = beside.with_suffix("") / MODEL_FILE
    return weights if weights.exists() else None


def _recorded_task(protocol: Mapping[str, Any], preset: str) -> Task:
    """The task that `protocol`, its `resolved(preset)`, was taken from, as far as a job depends on it."""
    of_preset = {name: protocol[name] for name in Protocol.model_fields if name in protocol}
    of_task = {name: protocol[name] for name in ("version", "seed", "data")}
    return Task.model_validate(
        {"name": protocol["task"], "title": "", "description": "", "presets": {preset: of_preset}, **of_task}
    )


def _source_of(file: Path, name: str) -> str:
    """A model is called by its class, unless it was offered under another name."""
    try:
        load_class(f"{file}:{name}")
    except UsageError:
        return str(file)
    return f"{file}:{name}"


def _execute(job: Job, record: Record, checkpoint: Path | None, device: str, progress: Progress) -> Record:
    with tempfile.TemporaryDirectory() as folder, _threads(record.environment.threads):
        working_directory = Path(folder)
        if checkpoint is not None:
            _copy_weights(checkpoint, record, working_directory / MODEL_FILE)
        return execute(job, working_directory=working_directory, device=device, progress=progress)


def _copy_weights(checkpoint: Path, record: Record, path: Path) -> None:
    """The weights as those of a finished training. What else the file says is not read: it may say anything."""
    fitted = load_checkpoint(checkpoint)
    assert fitted is not None, "it was there a moment ago"
    section = record.training.model_dump(mode="json", exclude={"parameters"})
    threads = torch.get_num_threads()
    outcome = TrainingOutcome(**section, seconds=record.clocks.training_seconds, threads=threads)
    save_checkpoint(path, fitted[0], asdict(outcome))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """As many threads as the record's job had, where there are so many processors: they decide the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(count, os.cpu_count() or 1)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _disagreements(record: Record, again: Record, verification: Verification) -> Iterator[str]:
    for words, recorded, found in (
        ("validation bits", record.hashes.validation_bits, again.hashes.validation_bits),
        ("test bits", record.hashes.test_bits, again.hashes.test_bits),
        ("number of parameters", record.training.parameters, again.training.parameters),
    ):
        if recorded != found:
            yield f"the {words} of the record are {recorded}, and {found} were found"
    for name, one in verification.compared.items():
        if not one.agrees:
            yield f"{name} {_difference(one)}"


def _difference(one: ComparedMetric) -> str:
    recorded, found = ("no number" if value is None else f"{value:.6g}" for value in (one.recorded, one.found))
    allowed = (
        "" if one.difference is None else f", a difference of {one.difference:.3g} where {one.allowed:.3g} is allowed"
    )
    return f"is {recorded} in the record and {found} in the rerun{allowed}"


def describe_agreement(verification: Verification) -> str:
    """ "re-evaluated from the checkpoint: 21 metrics agree, largest difference 0 of what is allowed"."""
    judged = [one for one in verification.compared.values() if one.allowed is not None]
    shares = [abs(one.difference or 0.0) / one.allowed for one in judged if one.allowed]
    others = len(verification.compared) - len(judged)
    unjudged = f", {others} not judged" if others else ""
    return (
        f"{verification.how}, {len(judged)} metrics agree{unjudged}; "
        f"the largest difference is {100 * max(shares, default=0.0):.2g} % of what is allowed"
    )
