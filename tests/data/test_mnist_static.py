"""Larochelle's binarised MNIST: three text files, in their own splits, and one sentence for every kind of damage."""

import hashlib

import numpy as np
import pytest
import torch

from mae_bench.data import NO_LABEL, load_data, mnist_static
from mae_bench.data.sources import _load
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import DataError
from mae_bench.planning.task import load_task

SIZES = {"x_train": 30, "x_validation": 12, "x_test": 10}


def amat(images: np.ndarray) -> bytes:
    return "".join(" ".join(map(str, image)) + "\n" for image in images.reshape(len(images), -1).tolist()).encode()


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """Random bits in files of the right names, whose hashes are taken for the published ones."""
    monkeypatch.setenv("MAE_BENCH_DATA", str(tmp_path))
    monkeypatch.setattr(mnist_static, "MIRRORS", ())
    random = np.random.default_rng(0)
    parts = {name: random.integers(2, size=(size, 28, 28), dtype=np.uint8) for name, size in SIZES.items()}
    files = {}
    for array, (name, _) in mnist_static.FILES.items():
        content = amat(parts[array])
        (tmp_path / name).write_bytes(content)
        files[array] = (name, hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(mnist_static, "FILES", files)
    _load.cache_clear()
    yield parts
    _load.cache_clear()


def test_the_bits_are_those_of_the_files_and_stay_as_they_are(parts):
    shipped = load_task(content_folder("tasks") / "mnist_static.toml")
    sizes = {"train_size": 30, "validation_size": 12, "test_size": 10, "files": dict(mnist_static.FILES.values())}
    task = shipped.model_copy(update={"data": shipped.data.model_copy(update=sizes)})
    data = load_data(task)
    for split in ("train", "validation", "test"):
        images = getattr(data, split)
        x = images.batch(torch.arange(len(images)), torch.Generator())
        np.testing.assert_array_equal(x[:, 0].numpy(), parts[f"x_{split}"])  # in the order of the file
        assert set(getattr(data, f"{split}_labels").tolist()) == {NO_LABEL}
    with pytest.raises(DataError, match=r"declares \(the hash of binarized_mnist_train\.amat is \w{64}, not ad693b29"):
        load_data(shipped)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: b"", "does not consist of lines of 784 bits"),
        (lambda content: content[:-2], "does not consist of lines"),
        (lambda content: content.replace(b"1", b"2", 1), "holds something else"),
        (lambda content: content.replace(b" ", b",", 1), "holds something else"),
        (lambda content: content.replace(b"\n", b" "), "holds something else"),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path, damage, reason):
    path = tmp_path / "bits.amat"
    path.write_bytes(damage(amat(np.ones((3, 28, 28), dtype=np.uint8))))
    with pytest.raises(DataError, match=rf"bits\.amat is not a usable copy of Larochelle's .*{reason}.*; delete it"):
        mnist_static.read_amat(path)
