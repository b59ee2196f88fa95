"""IDX files: read plain and gzipped, one sentence for every kind of damage, and two data sets that are four of them."""

import gzip
import hashlib
import struct

import numpy as np
import pytest

from mae_bench.data import fashion_mnist, kmnist, mnist_static
from mae_bench.data.idx import parse_idx
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import DataError
from mae_bench.planning.task import load_task


@pytest.mark.parametrize("wrap", [gzip.compress, bytes], ids=["gzipped", "plain"])
def test_idx_values_are_in_row_major_order(wrap):
    content = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6])
    assert parse_idx(wrap(content), "some.gz", "MNIST").tolist() == [[1, 2, 3], [4, 5, 6]]


GOOD = bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9])


def _zipped(content):
    """Without the time, so that the tests have the same names in every process."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_zipped(GOOD)[:-10], "Compressed file ended"),
        (_zipped(GOOD)[:12] + b"\xff\xff\xff" + _zipped(GOOD)[15:], ""),
        (GOOD[:-1], "announces 3 values and holds 2"),
        (b"", ""),
        (_zipped(GOOD[:2]), "requires a buffer"),
        (_zipped(GOOD[:6]), "requires a buffer"),
        (_zipped(GOOD[:-1]), "announces 3 values and holds 2"),
        (_zipped(GOOD + b"\0"), "announces 3 values and holds 4"),
        (_zipped(b"\0\0\x0d" + GOOD[3:]), "does not begin like"),
        (_zipped(b"\x01" + GOOD[1:]), "does not begin like"),
    ],
)
def test_damaged_idx_is_one_sentence(content, reason):
    with pytest.raises(DataError, match=rf"some\.gz is not a usable copy of MNIST \(.*{reason}.*\); delete it"):
        parse_idx(content, "some.gz", "MNIST")


def _idx(array):
    """A file in the IDX format, from Y. LeCun's description of it."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(struct.pack(">i", n) for n in array.shape) + array.tobytes()


@pytest.mark.parametrize("module", [fashion_mnist, kmnist], ids=lambda module: module.NAME)
def test_a_set_of_four_files_is_read_from_a_folder_of_its_own_by_its_hashes(module, tmp_path, monkeypatch):
    monkeypatch.setenv("MAE_BENCH_DATA", str(tmp_path))
    monkeypatch.setattr(module, "MIRRORS", ())
    random = np.random.default_rng(0)
    parts = {
        "x_train": random.integers(256, size=(5, 28, 28), dtype=np.uint8),
        "y_train": np.arange(5, dtype=np.uint8),
        "x_test": random.integers(256, size=(2, 28, 28), dtype=np.uint8),
        "y_test": np.array([9, 0], dtype=np.uint8),
    }
    folder = tmp_path / module.NAME.replace("Fashion-", "fashion_").replace("Kuzushiji-", "k").lower()
    folder.mkdir()
    files = {}
    for array, (name, _) in module.FILES.items():
        content = gzip.compress(_idx(parts[array]))
        (folder / name).write_bytes(content)
        files[array] = (name, hashlib.sha256(content).hexdigest())
    with pytest.raises(DataError, match=rf"damaged.*put train-images-idx3-ubyte\.gz into {folder} "):
        module.load()
    monkeypatch.setattr(module, "FILES", files)
    arrays = module.load()
    np.testing.assert_array_equal(arrays.x_train[:, 0], parts["x_train"])
    np.testing.assert_array_equal(arrays.x_test[:, 0], parts["x_test"])
    assert (arrays.y_train.tolist(), arrays.y_test.tolist()) == ([0, 1, 2, 3, 4], [9, 0])
    assert arrays.files == dict(files.values())


@pytest.mark.parametrize("module", [fashion_mnist, kmnist, mnist_static], ids=lambda module: module.NAME)
def test_the_task_declares_the_hashes_that_its_source_knows(module):
    name = module.__name__.rpartition(".")[2]
    assert load_task(content_folder("tasks") / f"{name}.toml").data.files == dict(module.FILES.values())
