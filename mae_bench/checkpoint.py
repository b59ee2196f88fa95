"""Checkpoints: safetensors files, written whole or not at all. Never pickles."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mae_bench.errors import TrainingError

TRAINING_FILE = "training.safetensors"
"""Everything that a training needs to go on; removed once it is complete."""
MODEL_FILE = "model.safetensors"
"""The weights that were evaluated, with how training went."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a temporary file beside `path`, force it to disk, rename it: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save_checkpoint(path: Path, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Named tensors and a JSON state in one safetensors file."""
    separate = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, save(separate, metadata={"state": json.dumps(state)}))


def load_checkpoint(path: Path, device: torch.device | str = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """What `save_checkpoint` wrote, or None where there is no such file. TrainingError where it cannot be read."""
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            return tensors, json.loads(file.metadata()["state"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise TrainingError(
            f"checkpoint {path} cannot be read ({error}); delete it, and the job starts from its beginning."
        ) from error


def with_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors, each name after `prefix/`."""
    return {f"{prefix}/{name}": tensor for name, tensor in tensors.items()}


def under_prefix(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `with_prefix` for one prefix."""
    return {name.removeprefix(f"{prefix}/"): value for name, value in tensors.items() if name.startswith(f"{prefix}/")}
