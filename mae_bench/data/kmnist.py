"""Kuzushiji-MNIST (Clanuwat et al., 2018): 28x28, grey levels 0 to 255, in four IDX files like MNIST's."""

from mae_bench.data.arrays import Arrays
from mae_bench.data.idx import fetch_idx

NAME = "Kuzushiji-MNIST"
FOLDER = "kmnist"
"""Of the data folder: the files bear the names of MNIST's."""
MIRRORS = ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",)
FILES = {
    "x_train": ("train-images-idx3-ubyte.gz", "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
    "y_train": ("train-labels-idx1-ubyte.gz", "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
    "x_test": ("t10k-images-idx3-ubyte.gz", "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
    "y_test": ("t10k-labels-idx1-ubyte.gz", "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
}
"""Array -> file and its SHA-256, as TensorFlow Datasets states it (url_checksums/kmnist.txt of tensorflow/datasets)."""


def load() -> Arrays:
    """x_train: uint8 [60000, 1, 28, 28], x_test: uint8 [10000, 1, 28, 28], in the original order.

    DataError if a file cannot be fetched, or is damaged.
    """
    return fetch_idx(NAME, FILES, MIRRORS, folder=FOLDER)
