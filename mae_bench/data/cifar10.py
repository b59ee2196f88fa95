"""CIFAR-10 (Krizhevsky, 2009): 32x32 in three channels, levels 0 to 255, from a prepared cifar10.npz or its archive."""

import io
import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mae_bench.data.arrays import Arrays
from mae_bench.data.download import data_folder, fetch
from mae_bench.data.prepared import damaged, read_npz

NAME = "CIFAR-10"
PREPARED = "cifar10.npz"
ARCHIVE = "cifar-10-python.tar.gz"
MIRRORS = ("https://www.cs.toronto.edu/~kriz/",)
KNOWN_HASH = "md5:c58f30108f718f92721af3b95e74349a"
"""Of the archive, as its page states it; what is in it is then checked by the task's own SHA-256."""
BATCHES = {
    "train": tuple(f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6)),
    "test": ("cifar-10-batches-py/test_batch",),
}


def load() -> Arrays:
    """x_train: uint8 [50000, 3, 32, 32], x_test: uint8 [10000, 3, 32, 32], in the original order.

    A cifar10.npz in the data folder (x_* uint8 [N, 32, 32, 3], y_* [N]) wins over a download. DataError where the set
    is missing or damaged.
    """
    prepared = data_folder() / PREPARED
    if prepared.exists():
        parts = read_npz(prepared, NAME)
        for name in ("x_train", "x_test"):
            if parts[name].ndim != 4:
                raise damaged(NAME, str(prepared), f"{name} has {parts[name].ndim} axes, not [N, 32, 32, 3]")
            parts[name] = np.moveaxis(parts[name], -1, 1)
        return _arrays(parts, str(prepared))
    path = fetch(ARCHIVE, MIRRORS, KNOWN_HASH, prepared=PREPARED)
    return _arrays(read_archive(path), ARCHIVE)


def read_archive(path: Path) -> dict[str, NDArray[Any]]:
    """The four parts of the archive of Python pickles: x_* uint8 [N, 3, 32, 32], y_* [N]. DataError if damaged."""
    parts: dict[str, NDArray[Any]] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for split, members in BATCHES.items():
                batches = [_read_batch(archive, member) for member in members]
                parts[f"x_{split}"] = np.concatenate([images for images, _ in batches]).reshape(-1, 3, 32, 32)
                parts[f"y_{split}"] = np.concatenate([labels for _, labels in batches])
    except Exception as error:  # damage shows in tarfile, zlib, pickle or NumPy, each with errors of its own
        raise damaged(NAME, path.name, f"{type(error).__name__}: {error}") from error
    return parts


def _read_batch(archive: tarfile.TarFile, member: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Images [N, 3072], channel by channel, and labels [N] of one pickled batch."""
    file = archive.extractfile(member)
    if file is None:
        raise ValueError(f"{member} is no file")
    batch = _ArrayUnpickler(io.BytesIO(file.read()), encoding="bytes").load()
    return np.asarray(batch[b"data"]), np.asarray(batch[b"labels"])


class _ArrayUnpickler(pickle.Unpickler):
    """Builds arrays beside lists, dictionaries and byte strings, and refuses to import anything else.

    The archive's MD5 is verified before, but MD5 keeps nobody from making another archive of the same one.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PARTS_OF_AN_ARRAY:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no part of an array")
        return _PARTS_OF_AN_ARRAY[module, name]


_PARTS_OF_AN_ARRAY = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # wherever NumPy has it by now
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


def _arrays(parts: Mapping[str, NDArray[Any]], origin: str) -> Arrays:
    """The four parts, checked for type and shape; how many images there must be is the task's to say."""
    for split in ("train", "test"):
        images, labels = parts[f"x_{split}"], parts[f"y_{split}"]
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (3, 32, 32):
            raise damaged(NAME, origin, f"x_{split} is {images.dtype} {list(images.shape)}, not uint8 [N, 3, 32, 32]")
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise damaged(NAME, origin, f"y_{split} is {labels.dtype} {list(labels.shape)}, not one integer an image")
    return Arrays(
        x_train=np.ascontiguousarray(parts["x_train"]),
        y_train=parts["y_train"].astype(np.int64),
        x_test=np.ascontiguousarray(parts["x_test"]),
        y_test=parts["y_test"].astype(np.int64),
        origin=origin,
    )
