"""What a model's constructor makes, as a hash: a file that it reads is not in the job's key, and may have changed.

The hash lies in the job's working directory. A run that finds it changed says so; the record still counts.
"""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mae_bench.data import data_spec
from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.seeding import derive_seed, seed_everything
from mae_bench.job.checkpoint import MODEL_FILE, TRAINING_FILE
from mae_bench.job.environment import processor
from mae_bench.job.isolation import isolated
from mae_bench.planning.plan import Job
from mae_bench.planning.registry import build_adapter, load_adapter_class
from mae_bench.records.store import Store

INITIAL_FILE = "initial.json"
"""In a job's working directory: what its model's constructor made before the training, and where."""
Construction = tuple[str, str, str]
"""What is constructed once for all seeds: a model's label, a task's name and a preset."""
_OWN_ATTRIBUTES = frozenset(vars(nn.Module())) | {"data", "preset"}
"""Attributes of every adapter."""


def check_models(jobs: Iterable[Job]) -> dict[Construction, str]:
    """Build every model once for every task and preset, so that a wrong value ends the run before anything trains.

    Gives the hash of what the constructor made. The random state is left as it was. UsageError from `build_adapter`.
    """
    distinct = {_construction(job): job for job in jobs}
    return {construction: initial_state(job) for construction, job in distinct.items()}


def initial_state(job: Job, threads: int | None = None) -> str:
    """SHA-256 of the model as its constructor makes it on the CPU, under a seed that all jobs share.

    threads: how many torch then has; as many as it has now, unless given.
    """
    training = job.trained or job
    with isolated(load_adapter_class(job.model.code, job.model.code_hash), threads=threads):
        seed_everything(derive_seed("initial state"))
        adapter = build_adapter(job.model, data_spec(training.task, training.preset), training.preset)
        return hash_of_state(adapter)


def remember_initial_state(job: Job, directory: Path) -> None:
    """Write `INITIAL_FILE`, unless it is that of a training in `directory` which goes on or has ended."""
    path = directory / INITIAL_FILE
    if not (path.exists() and _is_begun(directory)):
        content = {"state": initial_state(job), "threads": torch.get_num_threads(), "made_by": _made_by()}
        write_atomically(path, json.dumps(content, indent=1).encode())


def describe_changes(jobs: Sequence[Job], store: Store, found: Mapping[Construction, str], remedy: str) -> list[str]:
    """A sentence for each construction that gives something else than it gave for a record or checkpoint in `store`.

    found: what `check_models` gave. remedy: what to do, a clause. Nothing is said of a constructor that gives something
    else at every call, nor of a record that was made with other versions of Python, torch or numpy or elsewhere.
    """
    changed: dict[Construction, list[Job]] = {}
    for job in jobs:
        folder, construction = store.working_directory(job), _construction(job)
        if store.record_path(job).exists() or _is_begun(folder):
            state, threads = _recalled(folder / INITIAL_FILE)
            if state not in (None, found[construction]) and _differs(job, state, threads):
                changed.setdefault(construction, []).append(job)
    return [
        f"{label} is not constructed as it was for {len(affected)} of these jobs on {task} {preset}: a file that it "
        f"reads or imports has changed, which no key tells, so their records and checkpoints still count; {remedy}."
        for (label, task, preset), affected in changed.items()
    ]


def hash_of_state(model: nn.Module) -> str:
    """SHA-256 of parameters, buffers, and those attributes that are numbers, texts, arrays or collections of them."""
    digest = hashlib.sha256()
    for name, module in model.named_modules():
        own = {key: value for key, value in vars(module).items() if key not in _OWN_ATTRIBUTES}
        tensors = {**module._parameters, **module._buffers}
        _add(digest, [name, type(module).__name__, tensors, own], set())
    return digest.hexdigest()


def _add(digest: Any, value: object, seen: set[int]) -> None:
    """Add the type and the contents of `value` to `digest`. seen: the collections that it is in."""
    digest.update(type(value).__name__.encode())
    if isinstance(value, Tensor):
        value = value.detach()
        if value.layout != torch.strided or value.is_meta:
            return
        _add(digest, [str(value.dtype), list(value.shape)], seen)
        digest.update(value.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
        _add(digest, [str(value.dtype), list(value.shape)], seen)
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, str | int | float | complex | bytes | np.generic) or value is None:
        digest.update(repr(value).encode())
    elif isinstance(value, list | tuple | dict) and id(value) not in seen:
        for item in value.items() if isinstance(value, dict) else value:
            _add(digest, item, seen | {id(value)})


def _construction(job: Job) -> Construction:
    training = job.trained or job
    return job.model.label, training.task.name, training.preset


def _is_begun(directory: Path) -> bool:
    return any((directory / name).exists() for name in (TRAINING_FILE, MODEL_FILE))


def _recalled(path: Path) -> tuple[str | None, int]:
    """The hash in `INITIAL_FILE` and the number of threads; no hash if there is none that could be compared here."""
    try:
        content = json.loads(path.read_bytes())
        return (str(content["state"]) if content["made_by"] == _made_by() else None), int(content["threads"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, 1


def _differs(job: Job, state: str | None, threads: int) -> bool:
    """Whether the constructor, with as many threads as then, gives the same twice and not `state`."""
    first, second = (initial_state(job, threads) for _ in range(2))
    return first == second != state


def _made_by() -> dict[str, Any]:
    """What else decides the bits of a constructor's sums."""
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "processor": processor(),
        "cuda": torch.cuda.is_available(),
    }
