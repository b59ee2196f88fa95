"""A data set as its source gives it: plain NumPy arrays, and the hash that tells whether they are the right ones."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Arrays:
    """What a source of images returns.

    x_train, x_test: pixels, uint8 [N, C, H, W], from 0 to the `levels` of the task. y_train, y_test: labels, int64 [N].
    x_test and y_test are None if the source has no test images of its own. origin: where the arrays came from, for
    messages. git_blob: the git blob id of the one file they were read from, if the source verified it. Neither of the
    last two is hashed.
    """

    x_train: Pixels
    y_train: Labels
    x_test: Pixels | None
    y_test: Labels | None
    origin: str = "its loader"
    git_blob: str | None = None


def hash_arrays(arrays: Arrays) -> str:
    """SHA-256 over the four arrays: what a task file declares as `data.sha256`."""
    return hash_named({name: getattr(arrays, name) for name in ("x_train", "y_train", "x_test", "y_test")})


def hash_named(arrays: Mapping[str, NDArray[np.generic] | None]) -> str:
    """SHA-256 over the name, type, shape and little-endian bytes of each array in turn: the same on every machine."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        if array is None:
            digest.update(f"{name} none\n".encode())
            continue
        little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{name} {little_endian.dtype.str} {little_endian.shape}\n".encode())
        digest.update(little_endian.tobytes())
    return digest.hexdigest()
