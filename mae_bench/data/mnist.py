"""MNIST (LeCun et al., 1998): 28x28, grey levels 0 to 255, from a prepared mnist.npz or the four public IDX files."""

import gzip
import struct
import zlib
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mae_bench.data.arrays import Arrays
from mae_bench.data.download import data_folder, fetch
from mae_bench.data.prepared import damaged, read_npz

NAME = "MNIST"
PREPARED = "mnist.npz"
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FILES = {
    "x_train": ("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
    "y_train": ("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
    "x_test": ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
    "y_test": ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
}
"""Array -> file and its SHA-256."""


def load() -> Arrays:
    """x_train: uint8 [60000, 1, 28, 28], x_test: uint8 [10000, 1, 28, 28], in the original order.

    A mnist.npz in the data folder wins over a download. DataError where the set is missing or damaged.
    """
    prepared = data_folder() / PREPARED
    if prepared.exists():
        return _arrays(read_npz(prepared, NAME), str(prepared))
    parts = {}
    for name, (file_name, known_hash) in FILES.items():
        path = fetch(file_name, MIRRORS, known_hash, prepared=PREPARED)
        parts[name] = parse_idx(path.read_bytes(), file_name)
    return _arrays(parts, "the four IDX files")


def parse_idx(content: bytes, file_name: str) -> NDArray[np.uint8]:
    """The array of a gzipped IDX file of bytes: two zeros, 8 (unsigned byte), the number of axes, each axis as a
    big-endian 32-bit count, then the values. DataError where anything is missing or left over.
    """
    try:
        raw = gzip.decompress(content)
        zeros, kind, axes = struct.unpack_from(">HBB", raw)
        if (zeros, kind) != (0, 8):
            raise ValueError("it does not begin like an IDX file of bytes")
        shape = struct.unpack_from(f">{axes}I", raw, offset=4)
        values = np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * axes)
        if values.size != prod(shape):
            raise ValueError(f"it announces {prod(shape)} values and holds {values.size}")
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise damaged(NAME, file_name, str(error)) from error
    return values.reshape(shape)


def _arrays(parts: Mapping[str, NDArray[Any]], origin: str) -> Arrays:
    """The four parts, checked for type and shape; how many images there must be is the task's to say."""
    for split in ("train", "test"):
        images, labels = parts[f"x_{split}"], parts[f"y_{split}"]
        if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1:] != (28, 28):
            raise damaged(NAME, origin, f"x_{split} is {images.dtype} {list(images.shape)}, not uint8 [N, 28, 28]")
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise damaged(NAME, origin, f"y_{split} is {labels.dtype} {list(labels.shape)}, not one integer an image")
    return Arrays(
        x_train=parts["x_train"][:, np.newaxis].astype(np.uint8),
        y_train=parts["y_train"].astype(np.int64),
        x_test=parts["x_test"][:, np.newaxis].astype(np.uint8),
        y_test=parts["y_test"].astype(np.int64),
        origin=origin,
    )
