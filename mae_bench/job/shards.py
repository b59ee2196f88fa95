"""Where an evaluation stands: the finished shards of its density estimate, on disk until the record is saved."""

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, MutableMapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from safetensors.torch import save as save_tensors
from torch import Tensor

from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.canonical import sha256_of
from mae_bench.foundation.paths import visible
from mae_bench.metrics.density import ShardScores

FOLDER = "density"
"""In a job's working directory."""
_NLL = "nll_by_samples/"


class FinishedShards(MutableMapping[int, ShardScores]):
    """Number of a shard -> its scores, one safetensors file each, for `metrics.density.evaluate_density`.

    basis: all that decides the scores, as JSON. A file that was written for anything else, or that cannot be read,
    is as good as absent.
    """

    def __init__(self, working_directory: Path, basis: dict[str, Any]) -> None:
        self._folder = working_directory / FOLDER
        self._basis = sha256_of(basis)
        self._last = time.monotonic()
        self.earlier_seconds = 0.0
        """What the shards that were answered from disk once took."""

    def __getitem__(self, shard: int) -> ShardScores:
        try:
            with safe_open(self._path(shard), framework="np") as file:
                about = json.loads(file.metadata()["about"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise KeyError(shard) from error
        if about["basis"] != self._basis:
            raise KeyError(shard)
        self.earlier_seconds += about["seconds"]
        nll = {int(name.removeprefix(_NLL)): arrays.pop(name) for name in list(arrays) if name.startswith(_NLL)}
        return ShardScores(nll, **arrays)

    def __setitem__(self, shard: int, scores: ShardScores) -> None:
        arrays = asdict(scores)
        arrays |= {f"{_NLL}{k}": values for k, values in arrays.pop("nll_by_samples").items()}
        now = time.monotonic()
        about = {"basis": self._basis, "seconds": now - self._last}
        write_atomically(self._path(shard), save(arrays, metadata={"about": json.dumps(about)}))
        self._last = now

    def __delitem__(self, shard: int) -> None:
        self._path(shard).unlink()

    def __iter__(self) -> Iterator[int]:
        return (int(path.stem) for path in visible(self._folder, "*.safetensors"))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _path(self, shard: int) -> Path:
        return self._folder / f"{shard:06}.safetensors"


def remove_finished_shards(working_directory: Path) -> None:
    """Once the record is saved they have nothing left to say."""
    shutil.rmtree(working_directory / FOLDER, ignore_errors=True)


def hash_weights(weights: dict[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of tensors on the CPU."""
    return hashlib.sha256(save_tensors(weights)).hexdigest()
