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

    x_train, x_test, x_validation: pixels, uint8 [N, C, H, W], from 0 to the `levels` of the task. y_train, y_test,
    y_validation: labels, int64 [N]; all are None if the images have no labels. x_test and x_validation are None if the
    source has no such images of its own. origin: where the arrays came from, for messages. git_blob: the git blob id of
    the one file they were read from, and files: the hashes of several, if the source verified them. None of the last
    three is hashed.
    """

    x_train: Pixels
    y_train: Labels | None
    x_test: Pixels | None
    y_test: Labels | None
    origin: str = "its loader"
    git_blob: str | None = None
    files: Mapping[str, str] | None = None
    x_validation: Pixels | None = None
    y_validation: Labels | None = None


def hash_arrays(arrays: Arrays) -> str:
    """SHA-256 over the arrays: what a task file declares as `data.sha256`."""
    names = ["x_train", "y_train", "x_test", "y_test"]
    if arrays.x_validation is not None:  # only then, so that the other data sets keep their hashes
        names += ["x_validation", "y_validation"]
    return hash_named({name: getattr(arrays, name) for name in names})


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
