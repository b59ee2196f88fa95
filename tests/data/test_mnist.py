"""MNIST from IDX files and from mnist.npz: the same arrays, and one sentence for every kind of damage."""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest

from mae_bench.data import mnist
from mae_bench.data.arrays import hash_arrays
from mae_bench.foundation.errors import DataError

PREPARED = Path(__file__).parents[1] / "fixtures" / "mnist_500" / "mnist.npz"


@pytest.fixture
def parts():
    with np.load(PREPARED) as archive:
        return dict(archive)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MAE_BENCH_DATA", str(tmp_path))
    return tmp_path


def _idx(array):
    """A file in the IDX format, from Y. LeCun's description of it."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(struct.pack(">i", n) for n in array.shape) + array.tobytes()


def test_idx_files_and_prepared_file_agree(folder, parts, monkeypatch):
    files = {}
    for name, (file_name, _) in mnist.FILES.items():
        content = gzip.compress(_idx(parts[name]))
        (folder / file_name).write_bytes(content)
        files[name] = (file_name, hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(mnist, "FILES", files)
    monkeypatch.setattr(mnist, "MIRRORS", ())
    from_idx = mnist.load()

    np.savez(folder / "mnist.npz", **parts)
    for file_name, _ in files.values():
        (folder / file_name).unlink()
    from_npz = mnist.load()

    assert hash_arrays(from_idx) == hash_arrays(from_npz)
    assert from_idx.x_train.dtype == np.uint8
    assert from_idx.x_train.shape == (400, 1, 28, 28)
    assert from_idx.y_test.dtype == np.int64
    np.testing.assert_array_equal(from_idx.x_test[:, 0], parts["x_test"])
    np.testing.assert_array_equal(from_idx.y_train, parts["y_train"])


def test_nothing_there_and_no_mirror_names_the_remedy(folder, monkeypatch):
    monkeypatch.setattr(mnist, "MIRRORS", ())
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz could not be fetched .*or put mnist\.npz into"):
        mnist.load()


def _truncated(path, parts):
    np.savez_compressed(path, **parts)
    path.write_bytes(path.read_bytes()[:-2000])


def _flipped(path, parts):
    np.savez_compressed(path, **parts)
    content = bytearray(path.read_bytes())
    content[5000] ^= 0xFF
    path.write_bytes(content)


def _one_array(path, parts):
    with path.open("wb") as file:
        np.save(file, parts["x_train"])


def _pickled(path, parts):
    np.savez(path, **{**parts, "y_train": np.array([{"a": 1}], dtype=object)})


DAMAGE = {
    "truncated": (_truncated, "not a whole .npz archive"),
    "flipped": (_flipped, "Bad CRC-32|Error -3"),
    "garbled": (lambda path, _: path.write_bytes(b"no archive"), "not a whole .npz archive"),
    "empty": (lambda path, _: path.write_bytes(b""), "not a whole .npz archive"),
    "folder": (lambda path, _: path.mkdir(), "not a whole .npz archive"),
    "one array": (_one_array, "not a whole .npz archive"),
    "pickled objects": (_pickled, "allow_pickle=False"),
    "missing key": (lambda path, p: np.savez(path, x_train=p["x_train"]), "lacks one of the arrays x_train, y_train"),
    "float images": (lambda path, p: np.savez(path, **{**p, "x_test": p["x_test"] / 255.0}), "x_test is float64"),
    "wrong size": (lambda path, p: np.savez(path, **{**p, "x_train": p["x_train"][:, 1:]}), r"\[400, 27, 28\]"),
    "float labels": (lambda path, p: np.savez(path, **{**p, "y_train": p["y_train"] * 1.0}), "y_train is float64"),
    "too few labels": (lambda path, p: np.savez(path, **{**p, "y_test": p["y_test"][1:]}), r"y_test is uint8 \[99\]"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_prepared_file_is_one_sentence(folder, parts, kind):
    damage, reason = DAMAGE[kind]
    damage(folder / "mnist.npz", parts)
    with pytest.raises(DataError, match=rf"mnist\.npz is not a usable copy of MNIST \(.*({reason}).*\); delete"):
        mnist.load()


def test_no_damaged_byte_gets_past_as_another_error(folder, parts):
    """Bytes of a real archive are overwritten at random: that gives the same arrays or a DataError, nothing else."""
    path = folder / "mnist.npz"
    np.savez(path, **{name: array[:2] for name, array in parts.items()})
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    outcomes = set()
    for _ in range(400):
        content = np.frombuffer(whole, np.uint8).copy()
        content[random.integers(len(whole), size=20)] = random.integers(256, size=20)
        path.write_bytes(content.tobytes())
        try:
            outcomes.add(hash_arrays(mnist.load()))
        except DataError:
            outcomes.add("DataError")
    path.write_bytes(whole)
    assert outcomes <= {"DataError", hash_arrays(mnist.load())}
    assert "DataError" in outcomes
