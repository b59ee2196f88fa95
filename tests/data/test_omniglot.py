"""Burda et al.'s OMNIGLOT, from files of the same layout: what is checked before parsing, and how they are read."""

import io

import numpy as np
import pytest
import scipy.io

from mae_bench.data import load_data, omniglot
from mae_bench.data.arrays import hash_arrays
from mae_bench.data.download import git_blob_id
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import DataError
from mae_bench.planning.task import SplitSizes, load_task


def chardata(**replaced):
    """The bytes of a .mat file of 40 training and 12 test images of 50 classes, and the parts it was made from."""
    random = np.random.default_rng(2015)
    parts = {
        "data": random.integers(256, size=(784, 40)) / 255,
        "testdata": random.integers(256, size=(784, 12)) / 255,
        "target": np.eye(50)[:, random.integers(50, size=40)],
        "testtarget": np.eye(50)[:, random.integers(50, size=12)],
        "targetchar": np.ones((1, 40)),
    } | replaced
    file = io.BytesIO()
    scipy.io.savemat(file, {name: part for name, part in parts.items() if part is not None}, do_compression=True)
    return file.getvalue(), parts


@pytest.fixture
def put(tmp_path, monkeypatch):
    """`put(**replaced)` puts such a file into the data folder, with its blob id as the known one. Returns its parts."""
    monkeypatch.setenv("MAE_BENCH_DATA", str(tmp_path))
    monkeypatch.setattr(omniglot, "MIRRORS", ())

    def put(**replaced):
        content, parts = chardata(**replaced)
        (tmp_path / "chardata.mat").write_bytes(content)
        monkeypatch.setattr(omniglot, "GIT_BLOB", git_blob_id(content))
        return parts

    return put


def test_intensities_are_rounded_to_levels_and_images_left_as_the_file_stores_them(put):
    parts = put()
    arrays = omniglot.load()
    assert arrays.x_train.dtype == np.uint8
    assert arrays.x_train.shape == (40, 1, 28, 28)
    assert arrays.x_test.shape == (12, 1, 28, 28)
    for images, matrix in ((arrays.x_train, parts["data"]), (arrays.x_test, parts["testdata"])):
        for n, row, column in ((0, 0, 1), (3, 5, 7), (11, 27, 0)):
            assert images[n, 0, row, column] == round(255 * matrix[28 * row + column, n])
    assert arrays.y_train.dtype == np.int64
    assert all(parts["target"][label, n] == 1 for n, label in enumerate(arrays.y_train))
    assert all(parts["testtarget"][label, n] == 1 for n, label in enumerate(arrays.y_test))


def test_an_intensity_between_two_levels_goes_to_the_nearer_one(put):
    put(data=np.full((784, 40), 100.4 / 255), testdata=np.full((784, 12), 100.6 / 255))
    arrays = omniglot.load()
    assert np.unique(arrays.x_train).tolist() == [100]
    assert np.unique(arrays.x_test).tolist() == [101]


def test_no_byte_reaches_the_parser_before_the_blob_id_is_checked(put, monkeypatch):
    put()
    content, _ = chardata()
    monkeypatch.setattr(scipy.io, "loadmat", lambda *_, **__: pytest.fail("it was parsed"))
    with pytest.raises(DataError, match=r"chardata\.mat is not a usable copy of Burda .* \(its git blob id is "):
        omniglot.read_chardata(content + b"\0")


def test_a_wrong_file_and_no_network_name_the_remedy(put, tmp_path):
    put()
    (tmp_path / "chardata.mat").write_bytes(b"another file")
    with pytest.raises(DataError) as caught:
        omniglot.load()
    assert str(caught.value) == (
        "chardata.mat could not be fetched (the copy in the data folder is damaged); check the network, or put "
        f"chardata.mat into {tmp_path} (or into the folder that MAE_BENCH_DATA names)."
    )
    assert (tmp_path / "chardata.mat").read_bytes() == b"another file"


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({"target": None}, "KeyError: 'target'"),
        ({"data": np.full((784, 40), 1.01)}, "do not lie between 0 and 1"),
        ({"testdata": np.full((784, 12), np.nan)}, "do not lie between 0 and 1"),
        ({"data": np.zeros((783, 41))}, "cannot reshape"),
        ({"target": np.zeros((50, 40))}, "do not have exactly one alphabet"),
        ({"testtarget": np.full((50, 12), 0.02)}, "do not have exactly one alphabet"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_of_another_layout_is_named_with_the_reason(put, replaced, reason):
    put(**replaced)
    with pytest.raises(DataError, match=r"chardata\.mat is not a usable copy") as caught:
        omniglot.load()
    assert reason in str(caught.value)


def small_task(**replaced):
    """The shipped task, with the sizes of the synthetic file."""
    task = load_task(content_folder("tasks") / "omniglot.toml")
    sizes = SplitSizes(train=30, validation=10, test=12)
    data = {f"{split}_size": size for split, size in sizes} | replaced
    return task.model_copy(update={"data": task.data.model_copy(update=data)})


def test_the_task_takes_the_file_by_its_blob_id(put):
    put()
    data = load_data(small_task(git_blob=omniglot.GIT_BLOB))
    assert (len(data.train), len(data.validation), len(data.test)) == (30, 10, 12)
    assert data.hashes["data"] == hash_arrays(omniglot.load())
    with pytest.raises(DataError, match=f"their git blob id is {omniglot.GIT_BLOB}, not 016a3536ffe5"):
        load_data(small_task())
    with pytest.raises(DataError, match="their git blob id is nothing, not 016a3536ffe5"):
        load_data(small_task(source="digits"))


def test_the_task_and_the_loader_name_the_same_file():
    task = load_task(content_folder("tasks") / "omniglot.toml")
    assert task.data.git_blob == omniglot.GIT_BLOB
    assert task.data.train_size + task.data.validation_size == 24345
    assert (task.data.validation_size, task.data.test_size, task.data.classes) == (2345, 8070, 50)
