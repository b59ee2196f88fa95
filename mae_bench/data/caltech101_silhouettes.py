"""Caltech 101 Silhouettes (Marlin et al., 2010): 28x28 bits of 101 classes, in the authors' own three splits."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mae_bench.data.arrays import Arrays, Labels, Pixels
from mae_bench.data.download import fetch
from mae_bench.data.prepared import damaged

NAME = "Caltech 101 Silhouettes"
FILE = "caltech101_silhouettes_28_split1.mat"
MIRRORS = ("https://people.cs.umass.edu/~marlin/data/",)
KNOWN_HASH = "md5:4483e9c14b188fd09937f9ea6f9ea777"
"""The file's MD5, as DeepMind's NEVIS'22 states it (datasets_storage/handlers/silhouettes.py of
google-deepmind/dm_nevis)."""
SPLITS = {"train": "train", "validation": "val", "test": "test"}
"""Split -> what its arrays are called in the file."""


def load() -> Arrays:
    """x_train: uint8 [4100, 1, 28, 28], x_validation: [2264, 1, 28, 28], x_test: [2307, 1, 28, 28], levels 0 and 1;
    labels 0 to 100.

    A silhouette is 1 and what is around it 0, the opposite of the file, and pictures stand upright, where the file has
    them column by column: as in the code of Tomczak & Welling (2018). DataError if the file is missing or damaged.
    """
    return read_silhouettes(fetch(FILE, MIRRORS, KNOWN_HASH))


def read_silhouettes(path: Path) -> Arrays:
    """The arrays of the file, whose hash has been verified. DataError if it holds something else."""
    import scipy.io

    try:
        parts = scipy.io.loadmat(BytesIO(path.read_bytes()))
        images = {split: _pixels(parts[f"{stored}_data"]) for split, stored in SPLITS.items()}
        labels = {split: _labels(parts[f"{stored}_labels"], len(images[split])) for split, stored in SPLITS.items()}
    except Exception as error:  # damage shows in zlib, SciPy or NumPy, each with errors of its own
        raise damaged(NAME, path.name, f"{type(error).__name__}: {error}") from error
    return Arrays(
        images["train"],
        labels["train"],
        images["test"],
        labels["test"],
        origin=str(path),
        files={FILE: KNOWN_HASH},
        x_validation=images["validation"],
        y_validation=labels["validation"],
    )


def _pixels(stored: NDArray[Any]) -> Pixels:
    """Pixels [N, 1, 28, 28] of bits [N, 784], column by column, 1 around a silhouette."""
    if stored.ndim != 2 or stored.shape[1] != 28 * 28 or not np.isin(stored, (0, 1)).all():
        raise ValueError("its images are not 784 bits each")
    columns = (1 - stored.astype(np.uint8)).reshape(-1, 1, 28, 28)
    return np.ascontiguousarray(columns.swapaxes(2, 3))


def _labels(stored: NDArray[Any], images: int) -> Labels:
    """The class of each image [N], from 0, of classes [N, 1], from 1."""
    if stored.dtype.kind not in "iuf" or stored.size != images or stored.min() < 1 or (stored % 1 != 0).any():
        raise ValueError("its labels are not one class an image, from 1")
    return stored.reshape(-1).astype(np.int64) - 1
