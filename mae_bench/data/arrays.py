"""A data set as its source gives it: plain NumPy arrays, and the hash that says whether they are the right ones."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Arrays:
    """What a loader returns.

    x_train, x_test: grey levels, uint8 [N, C, H, W]. y_train, y_test: labels, int64 [N]. x_test and y_test are None
    where the source has no test images of its own. origin: where the arrays came from, for messages; not hashed.
    git_blob: the git blob id of the one file that they were read from, where the source verified that; not hashed.
    """

    x_train: Grey
    y_train: Labels
    x_test: Grey | None
    y_test: Labels | None
    origin: str = "its loader"
    git_blob: str | None = None


def hash_arrays(arrays: Arrays) -> str:
    """SHA-256 over the four arrays: what `data.sha256` in a task file declares."""
    return hash_named(
        {
            "x_train": arrays.x_train,
            "y_train": arrays.y_train,
            "x_test": arrays.x_test,
            "y_test": arrays.y_test,
        }
    )


def hash_named(arrays: Mapping[str, NDArray[np.generic] | None]) -> str:
    """SHA-256 over name, type, shape and bytes of each array in turn, little-endian: the same on every machine."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        if array is None:
            digest.update(f"{name} none\n".encode())
            continue
        little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name} {little_endian.dtype.str} {little_endian.shape}\n".encode())
        digest.update(little_endian.tobytes())
    return digest.hexdigest()
