"""A job's model: built from its code, and made again from a record or a checkpoint. All of that is done here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import ValidationError
from torch import Tensor

from mae_bench import ENGINE_VERSION
from mae_bench.adapter import Adapter
from mae_bench.data import data_spec
from mae_bench.foundation.errors import RecordError, UsageError
from mae_bench.foundation.seeding import derive_seed, seed_everything
from mae_bench.job.checkpoint import MODEL_FILE, load_checkpoint
from mae_bench.job.isolation import isolated, use_threads
from mae_bench.planning.adapter_code import find_code, load_class
from mae_bench.planning.plan import Job, ModelReference
from mae_bench.planning.registry import build_adapter, find_named_model, load_adapter_class
from mae_bench.planning.task import Protocol, Task
from mae_bench.records.schema import Record
from mae_bench.records.store import Store, read_record


class TrainedModel(NamedTuple):
    """A model as it is scored, in evaluation mode, with its weights and what their file says of the training."""

    adapter: Adapter
    weights: dict[str, Tensor]
    outcome: dict[str, Any]


def build_model(job: Job, device: torch.device | str) -> Adapter:
    """The job's model before training, built as it is where it is trained, its weights drawn from the job's seed.

    Where the model's code already runs (`mae_bench.job.isolation`), the random state is that of the weights afterwards.
    The number of threads stays. UsageError from `build_adapter`.
    """
    training = job.trained or job
    threads = torch.get_num_threads()
    with isolated(load_adapter_class(job.model.code, job.model.code_hash), device):
        seed_everything(derive_seed(job.seed, "weights"))
        adapter = build_adapter(job.model, data_spec(training.task, training.preset), training.preset)
        use_threads(threads)
        return adapter.to(device)


def load_model(job: Job, path: Path, device: torch.device | str) -> TrainedModel:
    """The model of `job` with the weights in the checkpoint at `path`, which must exist.

    UsageError if the weights are those of another network; TrainingError if the file cannot be read.
    """
    checkpoint = load_checkpoint(path)
    if checkpoint is None:
        raise UsageError(f"there is no checkpoint {path}; give the folder of a finished job.")
    adapter = build_model(job, device)
    try:
        adapter.load_state_dict(checkpoint[0])
    except RuntimeError as error:
        raise UsageError(
            f"the weights in {path} are not those of {(job.trained or job).title}; give the checkpoint beside its own "
            "record, or run its job again."
        ) from error
    return TrainedModel(adapter.eval(), *checkpoint)


def find_model(record: Record, model_files: Sequence[Path | str]) -> ModelReference:
    """The model that `record` names: the code in `model_files` that has the hash in the record, or else the model of
    the record's name, built in or installed, if it has that hash. model_files: as `find_code` takes them.

    Nothing with another hash is imported. RecordError if the code is nowhere.
    """
    name, wanted = record.model.name, record.hashes.adapter_source
    remedy = "give the file that the record was made with by --model-file"
    if given := find_code(model_files, wanted):
        code = given if ":" in Path(given).name else _code_in(given, name)
    else:
        try:
            code, found = find_named_model(name)
        except UsageError as error:
            raise RecordError(
                f"the code of record {record.key}.json is not here: no model {name} is built in or installed, and no "
                f"file given has its text; {remedy}."
            ) from error
        if found != wanted:
            raise RecordError(
                f"the code of record {record.key}.json is not here: the code of model {name} has the hash "
                f"{found} and the record's is {wanted}; {remedy}."
            )
    return ModelReference(name, code, tuple(sorted(record.model.params.items())), wanted)


def training_job(record: Record, model: ModelReference) -> Job:
    """The job that trained what `record` scored, from the record alone: its own, or that of its section `trained`.

    RecordError if this mae-bench would make another job of it.
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


def find_checkpoint(path: Path) -> tuple[Record, Path]:
    """The record and the weights of the finished job at `path`: its working directory, model file or record.

    UsageError if one of the two is missing or the training was cut short; RecordError if the record is broken.
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


def checkpoint_of(record: Record, path: Path, store: Path | None) -> Path | None:
    """The weights of `record`: those beside its file `path`, or those in `store`; None if there are none."""
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


def _code_in(file: str, name: str) -> str:
    """The `ModelReference.code` of the model `name` in `file`, which has the name of its class unless it was offered
    under another."""
    try:
        load_class(f"{file}:{name}")
    except UsageError:
        return file
    return f"{file}:{name}"
