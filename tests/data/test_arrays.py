"""The hash of a data set changes with everything that could move a number."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from mae_bench.data.arrays import Arrays, hash_arrays, hash_named


@pytest.fixture
def arrays() -> Arrays:
    random = np.random.default_rng(0)
    return Arrays(
        x_train=random.integers(256, size=(6, 1, 3, 3), dtype=np.uint8),
        y_train=random.integers(10, size=6),
        x_test=random.integers(256, size=(2, 1, 3, 3), dtype=np.uint8),
        y_test=random.integers(10, size=2),
    )


def test_hash_is_the_documented_sha256():
    labels = np.array([1, 2], dtype=np.int64)
    expected = hashlib.sha256(b"y <i8 (2,)\n" + bytes([1] + 7 * [0] + [2] + 7 * [0]) + b"z none\n").hexdigest()
    assert hash_named({"y": labels, "z": None}) == expected


def test_byte_order_and_memory_layout_do_not_matter(arrays):
    elsewhere = replace(
        arrays, x_train=np.asfortranarray(arrays.x_train), y_train=arrays.y_train.astype(">i8"), origin="elsewhere"
    )
    assert hash_arrays(elsewhere) == hash_arrays(arrays)


def test_any_change_changes_the_hash(arrays):
    one_pixel = arrays.x_train.copy()
    one_pixel[3, 0, 1, 2] ^= 1
    one_label = arrays.y_test.copy()
    one_label[1] += 1
    changed = [
        arrays,
        replace(arrays, x_train=one_pixel),
        replace(arrays, y_test=one_label),
        replace(arrays, x_train=arrays.x_train[::-1]),
        replace(arrays, x_train=arrays.x_train.reshape(6, 1, 9, 1)),
        replace(arrays, y_train=arrays.y_train.astype(np.int32)),
        replace(arrays, x_test=None, y_test=None),
        replace(arrays, x_train=arrays.x_test, y_train=arrays.y_test, x_test=arrays.x_train, y_test=arrays.y_train),
    ]
    assert len({hash_arrays(one) for one in changed}) == len(changed)
