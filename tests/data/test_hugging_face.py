"""Data sets of the hub, with a stand-in for the package `datasets`: columns by their kind, and what else to do."""

import sys
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image as Pillow

from mae_bench.data.hugging_face import read_hub
from mae_bench.foundation.errors import DataError, UsageError

PIXELS = np.random.default_rng(0).integers(256, size=(6, 4, 4), dtype=np.uint8)


class Image:
    pass


class ClassLabel:
    pass


class Rows(list):
    """A split: a list of rows, of which a column is asked by its name."""

    features: ClassVar = {"key": None, "picture": Image(), "kind": ClassLabel()}

    def __getitem__(self, which):
        return [row[which] for row in self] if isinstance(which, str) else super().__getitem__(which)


def rows(numbers, labels=None):
    labels = labels or [number % 3 for number in numbers]
    pictures = [Pillow.fromarray(PIXELS[number]) for number in numbers]
    return Rows({"key": "a", "picture": p, "kind": label} for p, label in zip(pictures, labels, strict=True))


@pytest.fixture
def hub(monkeypatch):
    """`hub(splits)`: what the hub then has under owner/name."""

    def offer(splits):
        def load_dataset(name):
            if name != "owner/name":
                raise ConnectionError("Couldn't reach the Hub")
            return splits

        stand_in = SimpleNamespace(Image=Image, ClassLabel=ClassLabel, load_dataset=load_dataset)
        monkeypatch.setitem(sys.modules, "datasets", stand_in)

    return offer


def test_columns_are_found_by_their_kind_and_splits_by_their_names(hub):
    hub({"train": rows([0, 1, 2]), "valid": rows([3]), "test": rows([4, 5])})
    arrays = read_hub("hf://datasets/owner/name")
    np.testing.assert_array_equal(arrays.x_train[:, 0], PIXELS[:3])
    np.testing.assert_array_equal(arrays.x_validation[:, 0], PIXELS[3:4])
    np.testing.assert_array_equal(arrays.x_test[:, 0], PIXELS[4:])
    assert (arrays.y_train.tolist(), arrays.y_test.tolist()) == ([0, 1, 2], [1, 2])


def test_the_only_split_is_for_training_and_hidden_labels_are_none(hub):
    hub({"everything": rows([0, 1], labels=[0, 1])})
    assert read_hub("hf://datasets/owner/name").y_train.tolist() == [0, 1]
    hub({"train": rows([0, 1]), "test": rows([2], labels=[-1])})
    arrays = read_hub("hf://datasets/owner/name", size=2)
    assert (arrays.y_train, arrays.y_test) == (None, None)
    assert arrays.x_test.shape == (1, 1, 2, 2)


def test_what_cannot_be_loaded_says_what_to_do(hub, monkeypatch):
    hub({"a": rows([0]), "b": rows([1])})
    with pytest.raises(DataError, match="has the splits a, b and none called train"):
        read_hub("hf://datasets/owner/name")
    with pytest.raises(DataError, match=r"cannot be loaded \(ConnectionError: .*\); check .* set HF_HUB_OFFLINE=1"):
        read_hub("hf://datasets/owner/other")
    monkeypatch.setattr(Rows, "features", {"key": None})
    hub({"train": rows([0])})
    with pytest.raises(DataError, match="no column of images, only key"):
        read_hub("hf://datasets/owner/name")
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match=r"install it with pip install 'mae-bench\[datasets\]'\.$"):
        read_hub("hf://datasets/owner/name")
