"""CIFAR-10 (Krizhevsky, 2009): 32x32 in three channels, levels 0 to 255, from a prepared cifar10.npz or its archive."""

import io
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mae_bench.data.arrays import Arrays
from mae_bench.data.download import data_folder, fetch
from mae_bench.data.prepared import Parts, damaged, read_npz, to_arrays

NAME = "CIFAR-10"
PREPARED = "cifar10.npz"
ARCHIVE = "cifar-10-python.tar.gz"
MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
KNOWN_HASH = "md5:c58f30108f718f92721af3b95e74349a"
"""The archive's MD5, as its page states it; the task's own SHA-256 then checks what it holds."""
SHAPE = (3, 32, 32)
BATCHES = {
    "train": tuple(f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6)),
    "test": ("cifar-10-batches-py/test_batch",),
}


def load() -> Arrays:
    """x_train: uint8 [50000, 3, 32, 32], x_test: uint8 [10000, 3, 32, 32], in the original order.

    A cifar10.npz in the data folder (x_* uint8 [N, 32, 32, 3], y_* [N]) wins over a download. DataError if the set is
    missing or damaged.
    """
    prepared = data_folder() / PREPARED
    if prepared.exists():
        parts = read_npz(prepared, NAME)
        for name in ("x_train", "x_test"):
            if parts[name].ndim != 4:
                raise damaged(NAME, str(prepared), f"{name} has {parts[name].ndim} axes, not [N, 32, 32, 3]")
            parts[name] = np.moveaxis(parts[name], -1, 1)
        return to_arrays(parts, NAME, str(prepared), SHAPE)
    path = fetch(ARCHIVE, MIRRORS, KNOWN_HASH, prepared=PREPARED)
    return to_arrays(read_archive(path), NAME, ARCHIVE, SHAPE)


def read_archive(path: Path) -> Parts:
    """The four parts of the archive of Python pickles: x_* uint8 [N, 3, 32, 32], y_* [N]. DataError if damaged."""
    parts: Parts = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for split, members in BATCHES.items():
                batches = [_read_batch(archive, member) for member in members]
                parts[f"x_{split}"] = np.concatenate([images for images, _ in batches]).reshape(-1, *SHAPE)
                parts[f"y_{split}"] = np.concatenate([labels for _, labels in batches])
    except Exception as error:  # damage shows in tarfile, zlib, pickle or NumPy, each with errors of its own
        raise damaged(NAME, path.name, f"{type(error).__name__}: {error}") from error
    return parts


def _read_batch(archive: tarfile.TarFile, member: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images [N, 3072], channel by channel, and labels [N] of one pickled batch."""
    file = archive.extractfile(member)
    if file is None:
        raise ValueError(f"{member} is not a file")
    batch = _ArrayUnpickler(io.BytesIO(file.read()), encoding="bytes").load()
    return np.asarray(batch[b"data"]), np.asarray(batch[b"labels"])


class _ArrayUnpickler(pickle.Unpickler):
    """Builds arrays, lists, dictionaries and byte strings, and refuses to import anything else.

    The archive's MD5 has been verified by then, but anybody can make another archive with the same MD5.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PARTS_OF_AN_ARRAY:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not part of an array")
        return _PARTS_OF_AN_ARRAY[module, name]


_PARTS_OF_AN_ARRAY = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # wherever this version of NumPy keeps it
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}
