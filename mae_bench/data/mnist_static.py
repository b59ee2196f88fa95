"""MNIST as Larochelle binarised it once and for all (Salakhutdinov & Murray, 2008; Larochelle & Murray, 2011): 28x28
bits, with the validation images that the literature uses and without labels.
"""

from pathlib import Path

import numpy as np

from mae_bench.data.arrays import Arrays, Pixels
from mae_bench.data.download import fetch
from mae_bench.data.prepared import damaged

NAME = "Larochelle's binarised MNIST"
MIRRORS = ("http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/",)
FILES = {
    "x_train": (
        "binarized_mnist_train.amat",
        "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d",
    ),
    "x_validation": (
        "binarized_mnist_valid.amat",
        "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2",
    ),
    "x_test": (
        "binarized_mnist_test.amat",
        "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c",
    ),
}
"""Array -> file and its SHA-256, as TensorFlow Datasets states it (url_checksums/binarized_mnist.txt of
tensorflow/datasets)."""

PIXELS = 28 * 28
_DIGITS = (ord("0"), ord("1"))
_END = ord("\n")


def load() -> Arrays:
    """x_train: uint8 [50000, 1, 28, 28], x_validation and x_test: uint8 [10000, 1, 28, 28], levels 0 and 1, in the
    original order.

    DataError if a file cannot be fetched, or is damaged.
    """
    parts = {
        array: read_amat(fetch(file_name, MIRRORS, known_hash)) for array, (file_name, known_hash) in FILES.items()
    }
    return Arrays(
        parts["x_train"],
        None,
        parts["x_test"],
        None,
        origin="the three .amat files",
        files=dict(FILES.values()),
        x_validation=parts["x_validation"],
    )


def read_amat(path: Path) -> Pixels:
    """The images [N, 1, 28, 28] of a text file with a line for each: 784 digits 0 or 1 with a space between them.

    DataError if it holds anything else.
    """
    content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    if not content.size or content.size % (2 * PIXELS):
        raise damaged(NAME, path.name, f"it does not consist of lines of {PIXELS} bits")
    bits, between = np.moveaxis(content.reshape(-1, PIXELS, 2), -1, 0)
    if not (np.isin(bits, _DIGITS).all() and (between[:, :-1] == ord(" ")).all() and (between[:, -1] == _END).all()):
        raise damaged(NAME, path.name, f"it holds something else than lines of {PIXELS} bits")
    images: Pixels = (bits - ord("0")).reshape(-1, 1, 28, 28)
    return images
