"""IDX files (LeCun et al., 1998): read, gzipped or not, and fetched for the data sets that come as four of them."""

import gzip
import struct
import zlib
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mae_bench.data.arrays import Arrays
from mae_bench.data.download import fetch
from mae_bench.data.prepared import Parts, damaged, to_arrays

SIZE = (28, 28)
_GZIP = b"\x1f\x8b"


def fetch_idx(
    name: str, files: Mapping[str, tuple[str, str]], mirrors: Sequence[str], *, prepared: str = "", folder: str = ""
) -> Arrays:
    """The data set `name` from its four files of 28x28 images and their labels, downloaded if need be.

    files: array (x_train, y_train, x_test, y_test) -> file and its hash as `fetch` takes it. prepared, folder: see
    `fetch`. DataError if one is missing or damaged.
    """
    parts: Parts = {}
    for array, (file_name, known_hash) in files.items():
        path = fetch(file_name, mirrors, known_hash, prepared=prepared, folder=folder)
        parts[array] = parse_idx(path.read_bytes(), file_name, name)
    return to_arrays(parts, name, "the four IDX files", SIZE, files=dict(files.values()))


def parse_idx(content: bytes, file_name: str, name: str) -> NDArray[np.uint8]:
    """The array of an IDX file of bytes, gzipped or not: two zeros, 8 (unsigned byte), the number of axes, each axis as
    a big-endian 32-bit count, then the values.

    name: of the data set. DataError if anything is missing or left over.
    """
    try:
        raw = gzip.decompress(content) if content.startswith(_GZIP) else content
        zeros, kind, axes = struct.unpack_from(">HBB", raw)
        if (zeros, kind) != (0, 8):
            raise ValueError("it does not begin like an IDX file of bytes")
        shape = struct.unpack_from(f">{axes}I", raw, offset=4)
        values: NDArray[Any] = np.frombuffer(raw, dtype=np.uint8, offset=4 + 4 * axes)
        if values.size != prod(shape):
            raise ValueError(f"it announces {prod(shape)} values and holds {values.size}")
    except (OSError, EOFError, ValueError, struct.error, zlib.error) as error:
        raise damaged(name, file_name, str(error)) from error
    return values.reshape(shape)
