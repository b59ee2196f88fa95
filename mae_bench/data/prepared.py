"""What the built-in sources share: reading a prepared .npz file, and checking what a file or a download holds."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mae_bench.data.arrays import Arrays, Labels, Pixels
from mae_bench.foundation.errors import DataError

Parts = dict[str, NDArray[Any]]
Pairs = Sequence[tuple[str, str]]
"""The names of arrays of images and of their labels."""
TRAIN = (("x_train", "y_train"),)
TEST = (("x_test", "y_test"),)


def read_npz(path: Path, name: str, pairs: Pairs = TRAIN + TEST) -> Parts:
    """The named arrays of a prepared file of the data set `name`, as the file holds them. DataError if damaged."""
    if not zipfile.is_zipfile(path):
        raise damaged(name, str(path), "it is not a whole .npz archive")
    arrays = [array for pair in pairs for array in pair]
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {array: archive[array] for array in arrays}
    except KeyError as error:
        raise damaged(name, str(path), f"it lacks one of the arrays {', '.join(arrays)}") from error
    except Exception as error:  # damage shows in zipfile, zlib, tokenize or NumPy, each with errors of its own
        raise damaged(name, str(path), f"{type(error).__name__}: {error}") from error


def to_arrays(
    parts: Parts,
    name: str,
    origin: str,
    shape: tuple[int, ...],
    *,
    train: Pairs = TRAIN,
    test: Pairs = TEST,
    files: Mapping[str, str] | None = None,
) -> Arrays:
    """The images and labels of `parts` that `train` and `test` name, those of several pairs one after another.

    shape: that of an image in `parts`, [H, W] or [C, H, W]. files: the verified hashes of what they were read from.
    DataError unless all images are uint8 of that shape, each with one integer as its label; how many there must be is
    for the task to say.
    """
    for x, y in (*train, *test):
        images, labels = parts[x], parts[y]
        if images.dtype != np.uint8 or images.shape[1:] != shape:
            expected = f"uint8 [N, {', '.join(map(str, shape))}]"
            raise damaged(name, origin, f"{x} is {images.dtype} {list(images.shape)}, not {expected}")
        if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1]:
            raise damaged(name, origin, f"{y} is {labels.dtype} {list(labels.shape)}, not one integer an image")
    x_test, y_test = _join(parts, test) if test else (None, None)
    return Arrays(*_join(parts, train), x_test, y_test, origin, files=files)


def _join(parts: Parts, pairs: Pairs) -> tuple[Pixels, Labels]:
    images = np.ascontiguousarray(np.concatenate([parts[x] for x, _ in pairs]))
    labels = np.concatenate([parts[y].astype(np.int64) for _, y in pairs])
    return images if images.ndim == 4 else images[:, np.newaxis], labels


def damaged(name: str, what: str, reason: str) -> DataError:
    """The error for a file or folder `what` that does not hold the data set `name`."""
    return DataError(
        f"{what} is not a usable copy of {name} ({reason.rstrip('.')}); "
        "delete it, so that it is downloaded, or put the right one in its place."
    )
