"""Fashion-MNIST (Xiao, Rasul & Vollgraf, 2017): 28x28, grey levels 0 to 255, in four IDX files like MNIST's."""

from mae_bench.data.arrays import Arrays
from mae_bench.data.idx import fetch_idx

NAME = "Fashion-MNIST"
FOLDER = "fashion_mnist"
"""Of the data folder: the files bear the names of MNIST's."""
MIRRORS = ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",)
FILES = {
    "x_train": ("train-images-idx3-ubyte.gz", "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
    "y_train": ("train-labels-idx1-ubyte.gz", "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
    "x_test": ("t10k-images-idx3-ubyte.gz", "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
    "y_test": ("t10k-labels-idx1-ubyte.gz", "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
}
"""Array -> file and its SHA-256, as TensorFlow Datasets states it (url_checksums/fashion_mnist.txt of
tensorflow/datasets)."""


def load() -> Arrays:
    """x_train: uint8 [60000, 1, 28, 28], x_test: uint8 [10000, 1, 28, 28], in the original order.

    DataError if a file cannot be fetched, or is damaged.
    """
    return fetch_idx(NAME, FILES, MIRRORS, folder=FOLDER)
