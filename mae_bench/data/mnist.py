"""MNIST (LeCun et al., 1998): 28x28, grey levels 0 to 255, from a prepared mnist.npz or the four public IDX files."""

import gzip
import struct
import zlib
from math import prod

import numpy as np
from numpy.typing import NDArray

from mae_bench.data.arrays import Arrays
from mae_bench.data.download import data_folder, fetch
from mae_bench.data.prepared import damaged, read_npz, to_arrays

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
SIZE = (28, 28)


def load() -> Arrays:
    """x_train: uint8 [60000, 1, 28, 28], x_test: uint8 [10000, 1, 28, 28], in the original order.

    A mnist.npz in the data folder (x_* uint8 [N, 28, 28], y_* [N]) wins over a download. DataError if the set is
    missing or damaged.
    """
    prepared = data_folder() / PREPARED
    if prepared.exists():
        return to_arrays(read_npz(prepared, NAME), NAME, str(prepared), SIZE)
    parts = {}
    for name, (file_name, known_hash) in FILES.items():
        path = fetch(file_name, MIRRORS, known_hash, prepared=PREPARED)
        parts[name] = parse_idx(path.read_bytes(), file_name)
    return to_arrays(parts, NAME, "the four IDX files", SIZE)


def parse_idx(content: bytes, file_name: str) -> NDArray[np.uint8]:
    """The array of a gzipped IDX file of bytes: two zeros, 8 (unsigned byte), the number of axes, each axis as a
    big-endian 32-bit count, then the values. DataError if anything is missing or left over.
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
