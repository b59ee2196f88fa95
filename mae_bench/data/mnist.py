"""MNIST (LeCun et al., 1998): 28x28, grey levels 0 to 255, from a prepared mnist.npz or the four public IDX files."""

from mae_bench.data.arrays import Arrays
from mae_bench.data.download import data_folder
from mae_bench.data.idx import SIZE, fetch_idx
from mae_bench.data.prepared import read_npz, to_arrays

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

    A mnist.npz in the data folder (x_* uint8 [N, 28, 28], y_* [N]) wins over a download. DataError if the set is
    missing or damaged.
    """
    prepared = data_folder() / PREPARED
    if prepared.exists():
        return to_arrays(read_npz(prepared, NAME), NAME, str(prepared), SIZE)
    return fetch_idx(NAME, FILES, MIRRORS, prepared=PREPARED)
