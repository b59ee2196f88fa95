"""Images of one's own: arrays in every layout, .npz, .npy and IDX files, and one sentence for what is none of them."""

import gzip
import struct

import numpy as np
import pytest

from mae_bench.data.arrays import hash_arrays
from mae_bench.data.own import arrays_of, read_images
from mae_bench.foundation.errors import DataError

GREY = np.random.default_rng(0).integers(256, size=(12, 5, 6), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(256, size=(12, 5, 6, 3), dtype=np.uint8)
LABELS = np.array([7, -2, 7, 7, 300, -2, 7, 7, 7, 300, 7, 7])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (GREY, GREY[:, None]),
        (GREY[:, None], GREY[:, None]),
        (GREY[..., None], GREY[:, None]),
        (COLOUR, np.moveaxis(COLOUR, 3, 1)),
        (np.moveaxis(COLOUR, 3, 1), np.moveaxis(COLOUR, 3, 1)),
        (GREY.astype(np.int64), GREY[:, None]),
        (GREY.astype(np.float32), GREY[:, None]),
        ((GREY / 255).astype(np.float32), GREY[:, None]),
        (GREY > 127, GREY[:, None] > 127),
        ((GREY > 127).astype(np.float64), GREY[:, None] > 127),
    ],
    ids=["NHW", "N1HW", "NHW1", "NHWC", "NCHW", "int64", "whole floats", "fractions", "bool", "bits as floats"],
)
def test_every_layout_and_type_becomes_the_same_pixels(given, expected):
    arrays = arrays_of({"anything": given}, "memory")
    assert arrays.x_train.dtype == np.uint8
    assert arrays.x_train.flags.c_contiguous
    np.testing.assert_array_equal(arrays.x_train, expected)
    assert (arrays.y_train, arrays.x_test, arrays.x_validation) == (None, None, None)


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.uint16, np.int64])
def test_labels_of_any_integer_type_are_numbered_in_their_order(kind):
    labels = np.where(LABELS == 300, 100, LABELS).astype(kind)
    arrays = arrays_of({"pictures": GREY, "numbers": labels[:, None], "weights": np.ones(12)}, "memory")
    expected = [sorted(set(labels.tolist())).index(label) for label in labels.tolist()]
    assert arrays.y_train.tolist() == expected
    assert arrays.y_train.dtype == np.int64


def test_splits_of_their_own_share_the_numbers_and_the_meaning_of_pixels():
    """Test images that happen to be all black or white are fractions like the others, and 1.0 is 255 in them too."""
    train, test = GREY / 255, np.zeros((2, 5, 6))
    test[0, 0, 0] = 1.0
    parts = {"x_train": train, "y_train": LABELS, "x_test": test, "y_test": np.array([300, 7]), "other": GREY}
    arrays = arrays_of(parts, "memory")
    assert arrays.x_test[0, 0, 0, 0] == 255
    assert arrays.y_test.tolist() == [2, 1]
    assert arrays.x_validation is None


WRONG = {
    "several": ({"a": GREY, "b": COLOUR}, r"2 of its arrays \(a, b\) have three or four axes"),
    "none": ({"a": LABELS}, r"0 of its arrays \(a\)"),
    "two labels": ({"x": GREY, "a": LABELS, "b": LABELS}, "a and b could both be labels"),
    "too bright": ({"x": GREY.astype(np.int64) + 1}, "run from 1 to 256"),
    "negative": ({"x": GREY.astype(np.float32) - 0.5}, "run from -0.5"),
    "not a number": ({"x": np.where(GREY > 9, np.nan, 0.5)}, "run from nan"),
    "four channels": ({"x": np.zeros((2, 8, 8, 4))}, r"\[2, 8, 8, 4\], which is none of"),
    "either layout": ({"x": np.zeros((2, 3, 8, 3))}, r"which is both \[N, C, H, W\] and"),
    "text": ({"x": np.full((2, 3, 3), "a")}, "not of numbers"),
    "empty": ({"x": np.zeros((0, 3, 3))}, "is empty"),
    "labels missing": ({"x_train": GREY, "y_train": LABELS, "x_test": GREY}, "y_test is missing"),
    "too few labels": ({"x_train": GREY, "y_train": LABELS[1:]}, r"y_train is int64 \[11\], not 12 integers"),
    "float labels": ({"x_train": GREY, "y_train": LABELS / 2}, "y_train is float64"),
    "other shape": ({"x_train": GREY, "x_test": GREY[:, 1:]}, r"differ in shape \(\[1, 5, 6\] for train, \[1, 4, 6\]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_images_is_one_sentence(case):
    parts, reason = WRONG[case]
    with pytest.raises(
        DataError, match=rf"^memory holds no images that could be read \(.*{reason}.*\); save them anew"
    ):
        arrays_of(parts, "memory")


def _idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(struct.pack(">i", n) for n in array.shape) + array.tobytes()


def test_files_of_every_kind_hold_the_same_images(tmp_path):
    labels = (LABELS % 5).astype(np.uint8)
    np.savez(tmp_path / "both.npz", pictures=GREY, labels=labels)
    np.save(tmp_path / "images.npy", GREY)
    (tmp_path / "my-images-idx3-ubyte").write_bytes(_idx(GREY))
    (tmp_path / "my-labels-idx1-ubyte.gz").write_bytes(gzip.compress(_idx(labels)))
    both = read_images(tmp_path / "both.npz")
    assert hash_arrays(read_images(tmp_path / "my-images-idx3-ubyte")) == hash_arrays(both)
    alone = read_images(tmp_path / "images.npy")
    assert alone.y_train is None
    np.testing.assert_array_equal(alone.x_train, both.x_train)


def test_a_folder_of_idx_files_has_the_splits_that_their_names_say(tmp_path):
    labels = np.arange(12, dtype=np.uint8)
    for name, count in (("train", 12), ("t10k", 3)):
        (tmp_path / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(_idx(GREY[:count])))
        (tmp_path / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(_idx(labels[:count])))
    arrays = read_images(tmp_path)
    assert (len(arrays.x_train), len(arrays.x_test)) == (12, 3)
    assert arrays.y_test.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("absent.npz", None, r"absent\.npz cannot be read \(No such file"),
        ("images.txt", b"1 2 3", r"images\.txt is neither an \.npz, \.npy or IDX file"),
        ("garbled.npz", b"no archive", r"garbled\.npz is not a whole \.npz archive"),
        ("garbled.npy", b"no array", r"garbled\.npy cannot be read \(ValueError"),
        ("garbled-idx3-ubyte", b"no images", "does not begin like an IDX file"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=reason):
        read_images(tmp_path / name)


def test_objects_in_a_file_are_not_loaded(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(DataError, match="without Python objects"):
        read_images(tmp_path / "objects.npy")
