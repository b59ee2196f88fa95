"""load_data: arrays are checked against the task and split without overlap, and bits are drawn once."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import mae_bench.data
from mae_bench.data import draw_split, draw_subset, load_data, sources
from mae_bench.data.arrays import Arrays, hash_arrays
from mae_bench.data.sources import load_source
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import DataError
from mae_bench.foundation.seeding import numpy_generator
from mae_bench.planning.task import SplitSizes, Task, load_task

GOLDEN_DIGITS = {
    "data": "efa8b0fa9a1c5a6ffc7b6e2f4a39e03db90a17e1656c74be45a9f1fd8371c76b",
    "validation_bits": "b2752df2719f4e67edb1d54385294831da477d447845ef61c4431d50355868b3",
    "test_bits": "881977734bffcf22d1c4578887ce53aa9f3a4eff7600d056c6d6b54a936999a4",
}
"""Pinned: if one of these moves, every published number on digits moves with it."""


@pytest.fixture(params=["digits_task", "mnist_500_task"])
def real_task(request) -> Task:
    return request.getfixturevalue(request.param)


def _with_data(task: Task, **changes) -> Task:
    return task.model_copy(update={"data": task.data.model_copy(update=changes)})


def test_sizes_shapes_and_types(real_task):
    data = load_data(real_task)
    settings = real_task.data
    for part in ("train", "validation", "test"):
        images, labels = getattr(data, part), getattr(data, f"{part}_labels")
        size = getattr(settings, f"{part}_size")
        assert len(images) == len(labels) == size
        assert images.pixels.shape == (size, *settings.shape)
        assert images.pixels.dtype == torch.uint8
        assert labels.dtype == np.int64
        assert set(labels.tolist()) == set(range(10))
    assert data.spec.shape == settings.shape
    assert data.spec.train_size == settings.train_size


def test_images_keep_their_labels(digits_task):
    """Against scikit-learn itself: each image, looked up by its bytes, has the label it has there."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    label_of = {
        image.astype(np.uint8).tobytes(): label for image, label in zip(digits.images, digits.target, strict=True)
    }
    data = load_data(digits_task)
    for part in ("train", "validation", "test"):
        pixels = getattr(data, part).pixels.numpy()
        assert [label_of[image.tobytes()] for image in pixels] == getattr(data, f"{part}_labels").tolist()


def test_official_test_images_stay_in_order(mnist_500_task):
    with np.load(Path(__file__).parents[1] / "fixtures" / "mnist_500" / "mnist.npz") as archive:
        x_test, y_test = archive["x_test"], archive["y_test"]
    data = load_data(mnist_500_task)
    np.testing.assert_array_equal(data.test.pixels[:, 0].numpy(), x_test)
    np.testing.assert_array_equal(data.test_labels, y_test)


def test_splits_are_disjoint_by_index(real_task):
    arrays, _ = load_source(real_task)
    split = draw_split(real_task, arrays)
    drawn = [split.train, split.validation] + ([split.test] if arrays.x_test is None else [])
    np.testing.assert_array_equal(np.sort(np.concatenate(drawn)), np.arange(len(arrays.x_train)))


def test_no_image_lies_in_two_splits(real_task):
    """By their bytes: neither data set holds any exact duplicate."""
    data = load_data(real_task)
    images = [image.tobytes() for part in (data.train, data.validation, data.test) for image in part.pixels.numpy()]
    assert len(set(images)) == len(images)


def test_split_follows_the_seed(digits_task):
    other = digits_task.model_copy(update={"seed": digits_task.seed + 1})
    one, same, different = load_data(digits_task), load_data(digits_task), load_data(other)
    assert torch.equal(one.train.pixels, same.train.pixels)
    assert not torch.equal(one.train.pixels, different.train.pixels)
    assert not torch.equal(one.validation.pixels, different.validation.pixels)


def with_subset(task: Task, preset: str, train: int, validation: int, test: int) -> Task:
    sizes = SplitSizes(train=train, validation=validation, test=test)
    protocol = task.protocol(preset)
    fewer = {"density": {"test_images": "all"}, "posterior": {"test_images": 1}}
    sections = {name: getattr(protocol, name).model_copy(update=update) for name, update in fewer.items()}
    protocol = protocol.model_copy(update={"subset": sizes, **sections})
    return task.model_copy(update={"presets": {**task.presets, preset: protocol}})


def test_a_preset_with_a_subset_has_those_images_of_the_splits_with_their_labels_and_bits(digits_task):
    """Each image is looked up in the whole split by its bytes."""
    task = with_subset(digits_task, "smoke", 100, 20, 30)
    whole, part = load_data(task), load_data(task, preset="smoke")
    assert part.spec.train_size == 100
    assert whole.spec.train_size == 1097
    assert part.hashes == whole.hashes == GOLDEN_DIGITS
    for split, size in (("train", 100), ("validation", 20), ("test", 30)):
        all_images, images = getattr(whole, split), getattr(part, split)
        index_of = {image.tobytes(): index for index, image in enumerate(all_images.pixels.numpy())}
        found = [index_of[image.tobytes()] for image in images.pixels.numpy()]
        assert len(found) == len(set(found)) == size
        assert found == sorted(found)
        assert found != list(range(size))  # not simply the first ones
        np.testing.assert_array_equal(getattr(part, f"{split}_labels"), getattr(whole, f"{split}_labels")[found])
        if split != "train":
            assert torch.equal(images.batch(torch.arange(size)), all_images.batch(torch.tensor(found)))


def test_subsets_are_nested_follow_the_task_seed_and_are_of_their_preset_alone(digits_task):
    smaller, larger = with_subset(digits_task, "smoke", 50, 10, 10), with_subset(digits_task, "smoke", 100, 20, 30)
    one, other = draw_subset(smaller, "smoke"), draw_subset(larger, "smoke")
    for part in ("train", "validation", "test"):
        assert set(getattr(one, part)) < set(getattr(other, part))
    reseeded = draw_subset(larger.model_copy(update={"seed": 1}), "smoke")
    assert not np.array_equal(reseeded.train, other.train)
    assert len(load_data(larger, preset="small").train) == len(load_data(larger).train) == 1097


def test_fixed_bits_are_drawn_by_the_task_seed(digits_task):
    """Recomputed from the formula of the protocol, and the same at each call."""
    data = load_data(digits_task)
    for part in ("validation", "test"):
        images = getattr(data, part)
        pixels = images.pixels.numpy()
        bits = numpy_generator(digits_task.seed, f"{part} bits").integers(16, size=pixels.shape) < pixels
        everything = torch.arange(len(images))
        np.testing.assert_array_equal(images.batch(everything).numpy(), bits.astype(np.float32))
        assert torch.equal(getattr(load_data(digits_task), part).batch(everything), images.batch(everything))
    assert data.train.bits is None


def test_golden_hashes(digits_task):
    assert load_data(digits_task).hashes == GOLDEN_DIGITS


def test_hashes_are_the_same_in_another_process(digits_task):
    program = (
        "from mae_bench.foundation.content import content_folder; from mae_bench.data import load_data; "
        "from mae_bench.planning.task import load_task; "
        "print(load_data(load_task(content_folder('tasks') / 'digits.toml')).hashes['test_bits'])"
    )
    root = Path(mae_bench.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONHASHSEED": "7"}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == load_data(digits_task).hashes["test_bits"]


def test_arrays_are_loaded_once(digits_task, monkeypatch):
    load_data(digits_task)
    monkeypatch.setattr(sources, "_import", lambda source: pytest.fail("loaded again"))
    load_data(digits_task)


def test_the_shipped_mnist_task_refuses_part_of_mnist(mnist_500_task):
    """A mnist.npz with other images."""
    task = load_task(content_folder("tasks") / "mnist.toml")
    with pytest.raises(DataError) as caught:
        load_data(task)
    message = str(caught.value)
    assert "source 'mnist' (from " in message
    assert "mnist.npz) are not those that task mnist declares" in message
    assert f"is {mnist_500_task.data.sha256}, not {task.data.sha256});" in message
    assert message.endswith("(a file of ours that you delete is downloaded again).")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"train_size": 1098}, "there are 1797 images to split, not 1798"),
        ({"test_size": 499}, "there are 1797 images to split, not 1796"),
        ({"shape": (1, 8, 9)}, r"x_train is uint8 \[1797, 1, 8, 8\], not uint8 images of shape \[1, 8, 9\]"),
        ({"levels": 15}, "x_train has levels up to 16, not 15"),
        ({"levels": 256}, "levels is 256, but a pixel is one byte"),
        ({"classes": 9}, "y_train has labels from 0 to 9, not 0 to 8"),
    ],
)
def test_task_that_does_not_describe_its_data(digits_task, changes, fault):
    with pytest.raises(
        DataError, match=rf"^task digits does not describe its own data \(.*{fault}.*; correct \[data\]"
    ):
        load_data(_with_data(digits_task, **changes))


def test_wrong_number_of_official_test_images(mnist_500_task):
    with pytest.raises(DataError, match="there are 100 test images, not 99"):
        load_data(_with_data(mnist_500_task, test_size=99))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "mnits",
            r"there is no data source 'mnits'; choose one of .*cifar10, .* or write package\.module:function",
        ),
        ("no_such_package:load", "'no_such_package:load' cannot be loaded .*; install the package"),
        ("mae_bench.data.digits:lod", "'mae_bench.data.digits:lod' cannot be loaded .*; install the package"),
        ("builtins:list", "'builtins:list' returned list; let the function return"),
        ("builtins:dict", "'builtins:dict' holds no images"),
    ],
)
def test_wrong_source(digits_task, source, message):
    with pytest.raises(DataError, match=message):
        load_data(_with_data(digits_task, source=source))


COLOUR = Arrays(
    x_train=np.random.default_rng(0).integers(256, size=(6, 3, 4, 4), dtype=np.uint8),
    y_train=np.arange(6),
    x_test=np.random.default_rng(1).integers(256, size=(2, 3, 4, 4), dtype=np.uint8),
    y_test=np.arange(2),
)


@pytest.fixture
def colour_task(digits_task, tmp_path, monkeypatch):
    """Somebody else's task, on colour images whose loader is in a module of its own."""
    np.savez(tmp_path / "colour.npz", x_train=COLOUR.x_train, y_train=COLOUR.y_train, x_test=COLOUR.x_test)
    (tmp_path / "colour_images.py").write_text(
        "import numpy as np\nfrom mae_bench.data.arrays import Arrays\n\n"
        "def load():\n"
        f"    stored = np.load({str(tmp_path / 'colour.npz')!r})\n"
        "    return Arrays(stored['x_train'], stored['y_train'], stored['x_test'], np.arange(2))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield _with_data(
        digits_task,
        source="colour_images:load",
        sha256=hash_arrays(COLOUR),
        shape=(3, 4, 4),
        likelihood="discretized_logistic_mixture",
        levels=255,
        train_size=4,
        validation_size=2,
        test_size=2,
    )
    sys.modules.pop("colour_images", None)
    sources._load.cache_clear()


def test_source_of_another_package_without_bits(colour_task):
    data = load_data(colour_task)
    assert data.hashes == {"data": hash_arrays(COLOUR), "validation_bits": None, "test_bits": None}
    x = data.test.batch(torch.arange(2))
    np.testing.assert_allclose(x.numpy(), COLOUR.x_test / 255.0, rtol=1e-6)
    assert len(data.train) == 4
