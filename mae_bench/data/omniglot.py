"""OMNIGLOT as Burda, Grosse & Salakhutdinov (2015) prepared it, the file behind the literature's numbers: 28x28, 24,345
training and 8,070 test images, labelled by their 50 alphabets.
"""

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mae_bench.data.arrays import Arrays, Labels, Pixels
from mae_bench.data.download import data_folder, fetch, git_blob_id
from mae_bench.data.prepared import damaged

NAME = "Burda et al.'s OMNIGLOT"
FILE = "chardata.mat"
MIRRORS = ("https://raw.githubusercontent.com/yburda/iwae/master/datasets/OMNIGLOT/",)
GIT_BLOB = "016a3536ffe5e1d38e42563a18d7a78bfaf643ec"
"""The id of the file in that repository: the only hash of it that is published."""


def load() -> Arrays:
    """x_train: uint8 [24345, 1, 28, 28], x_test: uint8 [8070, 1, 28, 28], as the file orders them.

    255 times the file's intensities, rounded. Glyphs stay as the file stores them, column by column, as in the MAE
    paper's code: row i of an image is column i of the drawing. DataError if the file is missing or damaged.
    """
    return read_chardata(fetch(FILE, MIRRORS, f"git-blob:{GIT_BLOB}", prepared=FILE).read_bytes())


def read_chardata(content: bytes) -> Arrays:
    """The arrays of the file's `content`. SciPy parses it only if its git blob id is the known one; else DataError."""
    import scipy.io

    origin = str(data_folder() / FILE)
    if git_blob_id(content) != GIT_BLOB:
        raise damaged(NAME, origin, f"its git blob id is {git_blob_id(content)}")
    try:
        parts = scipy.io.loadmat(BytesIO(content), variable_names=("data", "target", "testdata", "testtarget"))
        return Arrays(
            x_train=_pixels(parts["data"]),
            y_train=_labels(parts["target"]),
            x_test=_pixels(parts["testdata"]),
            y_test=_labels(parts["testtarget"]),
            origin=origin,
            git_blob=GIT_BLOB,
        )
    except Exception as error:  # damage shows in zlib, SciPy or NumPy, each with errors of its own
        raise damaged(NAME, origin, f"{type(error).__name__}: {error}") from error


def _pixels(intensities: NDArray[Any]) -> Pixels:
    """Pixels [N, 1, 28, 28] of intensities [784, N] in [0, 1]."""
    if not np.all((intensities >= 0) & (intensities <= 1)):
        raise ValueError("some intensities do not lie between 0 and 1")
    pixels: Pixels = np.rint(255 * intensities.T).astype(np.uint8).reshape(-1, 1, 28, 28)
    return pixels


def _labels(indicators: NDArray[Any]) -> Labels:
    """The class of each image [N] from indicators [classes, N], one 1 an image."""
    if not np.all((indicators == 0) | (indicators == 1)) or not np.all(indicators.sum(axis=0) == 1):
        raise ValueError("some images do not have exactly one alphabet")
    labels: Labels = indicators.argmax(axis=0).astype(np.int64)
    return labels
