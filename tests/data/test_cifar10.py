"""CIFAR-10 from its archive and from cifar10.npz: the same arrays, and one sentence for every kind of damage."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from mae_bench.data import cifar10, load_data
from mae_bench.data.arrays import hash_arrays
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import DataError
from mae_bench.planning.task import load_task

PREPARED = Path(__file__).parents[1] / "fixtures" / "cifar10_120" / "cifar10.npz"


@pytest.fixture
def parts():
    with np.load(PREPARED) as archive:
        return dict(archive)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MAE_BENCH_DATA", str(tmp_path))
    monkeypatch.setattr(cifar10, "MIRRORS", ())
    return tmp_path


def text(characters):
    """SHORT_BINSTRING: a str of Python 2, which wrote the archive."""
    return b"U" + bytes([len(characters)]) + characters


def batch_pickle(images, labels):
    """A batch of the archive opcode by opcode, as Python 2 and the NumPy of 2009 wrote it."""
    flat = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    dtype = b"cnumpy\ndtype\n(" + text(b"u1") + b"K\x00K\x01tR(K\x03" + text(b"|") + b"NNN" + 2 * b"J\xff\xff\xff\xff"
    dtype += b"K\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
    array += b"(K\x01(" + b"".join(b"J" + struct.pack("<i", size) for size in flat.shape) + b"t" + dtype + b"\x89"
    array += b"T" + struct.pack("<i", flat.size) + flat.tobytes() + b"tb"
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + numbers + b"u."


def write_archive(path, batches):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in batches.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def whole_batches(parts):
    fifths = zip(np.split(parts["x_train"], 5), np.split(parts["y_train"], 5), strict=True)
    batches = {f"data_batch_{number}": batch_pickle(*fifth) for number, fifth in enumerate(fifths, start=1)}
    return batches | {"test_batch": batch_pickle(parts["x_test"], parts["y_test"])}


def test_archive_and_prepared_file_agree(folder, parts, monkeypatch):
    write_archive(folder / cifar10.ARCHIVE, whole_batches(parts))
    md5 = hashlib.md5((folder / cifar10.ARCHIVE).read_bytes()).hexdigest()
    monkeypatch.setattr(cifar10, "KNOWN_HASH", f"md5:{md5}")
    from_archive = cifar10.load()
    assert from_archive.origin == cifar10.ARCHIVE

    np.savez(folder / "cifar10.npz", **parts)
    from_npz = cifar10.load()
    assert hash_arrays(from_archive) == hash_arrays(from_npz)
    assert from_npz.x_train.dtype == np.uint8
    assert from_npz.x_train.shape == (90, 3, 32, 32)
    assert from_npz.x_test.shape == (30, 3, 32, 32)
    assert from_npz.y_train.dtype == np.int64
    for channel in range(3):
        np.testing.assert_array_equal(from_npz.x_test[:, channel], parts["x_test"][..., channel])
    np.testing.assert_array_equal(from_npz.y_test, parts["y_test"])


def test_the_batches_of_the_test_are_those_of_python_2():
    """Read here by pickle itself; Python 3 would not write these opcodes."""
    images, labels = np.arange(2 * 32 * 32 * 3).astype(np.uint8).reshape(2, 32, 32, 3), [3, 9]
    batch = pickle.loads(batch_pickle(images, labels), encoding="bytes")
    np.testing.assert_array_equal(batch[b"data"].reshape(2, 3, 32, 32)[:, 1], images[..., 1])
    assert batch[b"labels"] == labels


def test_an_archive_of_another_hash_is_never_unpickled(folder, parts):
    write_archive(folder / cifar10.ARCHIVE, whole_batches(parts))
    with pytest.raises(DataError, match=r"python\.tar\.gz could not be fetched .*damaged.*or put cifar10\.npz into"):
        cifar10.load()


def test_nothing_but_arrays_is_unpickled(tmp_path, parts):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    path = tmp_path / "trap.tar.gz"
    write_archive(path, whole_batches(parts) | {"data_batch_3": pickle.dumps({b"data": Trap(), b"labels": []})})
    with pytest.raises(
        DataError, match=r"trap\.tar\.gz is not a usable copy of CIFAR-10 \(UnpicklingError: it asks for"
    ):
        cifar10.read_archive(path)
    assert not (tmp_path / "sprung").exists()


def _without_a_batch(path, batches):
    del batches["data_batch_4"]
    write_archive(path, batches)


def _truncated(path, batches):
    write_archive(path, batches)
    path.write_bytes(path.read_bytes()[:-5000])


def _other_dictionary(path, batches):
    write_archive(path, batches | {"test_batch": pickle.dumps({b"data": []})})


DAMAGED_ARCHIVES = {
    "lacks a batch": (_without_a_batch, "data_batch_4"),
    "truncated": (_truncated, "EOFError"),
    "not gzipped": (lambda path, _: path.write_bytes(b"no archive"), "ReadError"),
    "gzipped noise": (lambda path, _: path.write_bytes(gzip.compress(bytes(1000))), "Error"),
    "other dictionary": (_other_dictionary, "KeyError"),
}


@pytest.mark.parametrize("kind", DAMAGED_ARCHIVES)
def test_damaged_archive_is_one_sentence(tmp_path, parts, kind):
    damage, reason = DAMAGED_ARCHIVES[kind]
    path = tmp_path / "some.tar.gz"
    damage(path, whole_batches(parts))
    with pytest.raises(DataError, match=rf"some\.tar\.gz is not a usable copy of CIFAR-10 \(.*{reason}.*\); delete it"):
        cifar10.read_archive(path)


DAMAGED_FILES = {
    "one channel": (lambda p: {"x_train": p["x_train"][..., 0]}, r"x_train has 3 axes"),
    "channels first": (lambda p: {"x_test": p["x_test"].transpose(0, 3, 1, 2)}, r"x_test is uint8 \[30, 32, 3, 32\]"),
    "floats": (lambda p: {"x_train": p["x_train"] / 255}, "x_train is float64"),
    "too few labels": (lambda p: {"y_test": p["y_test"][1:]}, r"y_test is uint8 \[29\]"),
}


@pytest.mark.parametrize("kind", DAMAGED_FILES)
def test_damaged_prepared_file_is_one_sentence(folder, parts, kind):
    replace, reason = DAMAGED_FILES[kind]
    np.savez(folder / "cifar10.npz", **(parts | replace(parts)))
    with pytest.raises(
        DataError, match=rf"cifar10\.npz is not a usable copy of CIFAR-10 \({reason}|\({reason}.*\); del"
    ):
        cifar10.load()


def test_the_shipped_task_refuses_part_of_cifar10(cifar10_task):
    task = load_task(content_folder("tasks") / "cifar10.toml")
    with pytest.raises(DataError, match=r"source 'cifar10' \(from .*cifar10\.npz\) are not those that task cifar10"):
        load_data(task)


def test_images_are_levels_of_one_byte_and_never_bits(cifar10_task, parts):
    data = load_data(cifar10_task)
    assert data.spec.shape == (3, 32, 32)
    x = data.test.batch(np.arange(30))
    np.testing.assert_array_equal((x * 255).numpy().round(), parts["x_test"].transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(data.test.thresholded(np.arange(30)), x)
    assert data.hashes["test_bits"] is None
