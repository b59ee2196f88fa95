"""Prepared files: the arrays of a data set as one plain .npz in the data folder, in place of a download."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mae_bench.errors import DataError

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def read_npz(path: Path, name: str, arrays: Sequence[str] = ARRAYS) -> dict[str, NDArray[Any]]:
    """Those arrays of a prepared file of the data set called `name`, as they stand there. DataError if damaged."""
    if not zipfile.is_zipfile(path):
        raise damaged(name, str(path), "it is not a whole .npz archive")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {array: archive[array] for array in arrays}
    except KeyError as error:
        raise damaged(name, str(path), f"it lacks one of the arrays {', '.join(arrays)}") from error
    except Exception as error:  # damage shows in zipfile, zlib, tokenize or NumPy, each with errors of its own
        raise damaged(name, str(path), f"{type(error).__name__}: {error}") from error


def damaged(name: str, what: str, reason: str) -> DataError:
    """The error for a file or folder `what` that does not hold the data set called `name`."""
    return DataError(
        f"{what} is not a usable copy of {name} ({reason.rstrip('.')}); "
        "delete it, so that it is downloaded, or put the right one in its place."
    )
