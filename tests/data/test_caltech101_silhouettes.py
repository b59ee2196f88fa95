"""Caltech 101 Silhouettes: a MATLAB file in the authors' three splits, upright and with silhouettes as ones."""

import hashlib

import numpy as np
import pytest
import scipy.io

from mae_bench.data import caltech101_silhouettes as silhouettes
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import DataError
from mae_bench.planning.task import load_task

SIZES = {"train": 6, "val": 4, "test": 3}


def stored(**replaced):
    """What the file holds, on a few random images: bits [N, 784], column by column, and classes [N, 1] from 1."""
    random = np.random.default_rng(1)
    content = {}
    for name, size in SIZES.items():
        content[f"{name}_data"] = random.integers(2, size=(size, 784), dtype=np.uint8)
        content[f"{name}_labels"] = random.integers(1, 102, size=(size, 1), dtype=np.uint8)
    return content | replaced


def test_the_three_splits_are_read_upright_and_inverted(tmp_path, monkeypatch):
    monkeypatch.setenv("MAE_BENCH_DATA", str(tmp_path))
    monkeypatch.setattr(silhouettes, "MIRRORS", ())
    content = stored()
    path = tmp_path / silhouettes.FILE
    scipy.io.savemat(path, content, do_compression=True)
    with pytest.raises(DataError, match="the copy in the data folder is damaged"):
        silhouettes.load()
    known = f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"
    monkeypatch.setattr(silhouettes, "KNOWN_HASH", known)
    arrays = silhouettes.load()
    for ours, theirs in silhouettes.SPLITS.items():
        images, labels = getattr(arrays, f"x_{ours}"), getattr(arrays, f"y_{ours}")
        for image, column_by_column in zip(images, content[f"{theirs}_data"], strict=True):
            for row, column in ((0, 0), (3, 17), (27, 1)):
                assert image[0, row, column] == 1 - column_by_column[28 * column + row]
        assert labels.tolist() == [label - 1 for label in content[f"{theirs}_labels"].ravel()]
    assert arrays.files == {silhouettes.FILE: known}


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({"val_data": np.full((4, 784), 2, np.uint8)}, "not 784 bits each"),
        ({"test_data": np.zeros((3, 256), np.uint8)}, "not 784 bits each"),
        ({"train_labels": np.zeros((6, 1), np.uint8)}, "from 1"),
        ({"train_labels": np.ones((5, 1), np.uint8)}, "one class an image"),
    ],
)
def test_a_file_that_holds_something_else_is_one_sentence(tmp_path, replaced, reason):
    path = tmp_path / "other.mat"
    scipy.io.savemat(path, stored(**replaced))
    with pytest.raises(DataError, match=rf"other\.mat is not a usable copy of Caltech 101 .*{reason}.*; delete it"):
        silhouettes.read_silhouettes(path)


def test_a_file_that_is_no_matlab_file_is_one_sentence(tmp_path):
    path = tmp_path / "other.mat"
    path.write_bytes(b"no matrix")
    with pytest.raises(DataError, match=r"other\.mat is not a usable copy"):
        silhouettes.read_silhouettes(path)


def test_the_task_has_the_split_of_the_literature_and_the_hash_of_the_file():
    data = load_task(content_folder("tasks") / "caltech101_silhouettes.toml").data
    assert (data.train_size, data.validation_size, data.test_size, data.classes) == (4100, 2264, 2307, 101)
    assert data.files == {silhouettes.FILE: silhouettes.KNOWN_HASH}
