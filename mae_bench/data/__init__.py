"""A task's images: loaded once a process, checked against the task, then split and binarised by the task's own seed."""

import importlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mae_bench.adapter import DataSpec
from mae_bench.data.arrays import Arrays, Labels, Pixels, hash_arrays, hash_named
from mae_bench.data.download import DownloadNeeded, data_folder, no_downloads
from mae_bench.data.images import ByteImages, draw_bits
from mae_bench.foundation.errors import DataError
from mae_bench.foundation.seeding import numpy_generator
from mae_bench.planning.task import Task

LOADERS = {
    "cifar10": "mae_bench.data.cifar10:load",
    "digits": "mae_bench.data.digits:load",
    "mnist": "mae_bench.data.mnist:load",
    "omniglot": "mae_bench.data.omniglot:load",
    "omniglot_lake": "mae_bench.data.omniglot_lake:load",
}
"""The built-in sources. Any other is `package.module:function`: a function without arguments that returns Arrays."""


@dataclass(frozen=True)
class DataSet:
    """What a job is trained and scored on. Labels: int64 [N], in the order of the images; no model ever sees them.

    hashes: SHA-256 of "data" (all arrays of the source), "validation_bits" and "test_bits" (None if the task is not
    binary).
    """

    spec: DataSpec
    train: ByteImages
    validation: ByteImages
    test: ByteImages
    train_labels: Labels
    validation_labels: Labels
    test_labels: Labels
    hashes: dict[str, str | None]


class Split(NamedTuple):
    """The indices of each split: into x_train, or for `test` into x_test if the source has one; of a subset, into the
    splits themselves.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def data_spec(task: Task, preset: str | None = None) -> DataSpec:
    """What a model is told about the data of `task` at `preset`. Read from the task file alone."""
    sizes = task.data.sizes(task.protocol(preset).subset if preset else None)
    return DataSpec(task.data.shape, task.data.likelihood, sizes.train, task.data.classes)


def load_data(task: Task, device: torch.device | str = "cpu", *, preset: str | None = None) -> DataSet:
    """The data set of `task` on `device`, or its subset at `preset`.

    DataError if it is missing, damaged or not the one that the task declares.
    """
    arrays, data_hash = _load_source(task.data.source, str(data_folder()))
    _check(task, arrays, data_hash)
    split = draw_split(task, arrays)
    x_test, y_test = arrays.x_test, arrays.y_test
    if x_test is None or y_test is None:
        x_test, y_test = arrays.x_train, arrays.y_train
    validation, validation_hash = _fixed_images(task, "validation", arrays.x_train[split.validation])
    test, test_hash = _fixed_images(task, "test", x_test[split.test])
    train = ByteImages(torch.tensor(arrays.x_train[split.train]), task.data.levels, task.data.likelihood)
    kept = draw_subset(task, preset)
    return DataSet(
        spec=data_spec(task, preset),
        train=train.subset(torch.from_numpy(kept.train)).to(device),
        validation=validation.subset(torch.from_numpy(kept.validation)).to(device),
        test=test.subset(torch.from_numpy(kept.test)).to(device),
        train_labels=arrays.y_train[split.train][kept.train],
        validation_labels=arrays.y_train[split.validation][kept.validation],
        test_labels=y_test[split.test][kept.test],
        hashes={"data": data_hash, "validation_bits": validation_hash, "test_bits": test_hash},
    )


def look_at(task: Task) -> None:
    """DataError for what `load_data` would find wrong with the data of `task`, as far as that shows without a download.

    What is in the data folder is loaded and compared with the task; what is not passes. Of a source that is not built
    in, the function is found and not called, since it may download by means of its own.
    """
    if task.data.source not in LOADERS:
        _find_loader(task.data.source)
        return
    with suppress(DownloadNeeded), no_downloads():
        load_data(task)


def draw_split(task: Task, arrays: Arrays) -> Split:
    """Which images each split has, drawn from the source's training images by the task's seed; the source's own test
    images, if it has any, are the test split, in their order.
    """
    order = numpy_generator(task.seed, "split").permutation(len(arrays.x_train))
    validation, rest = np.split(order, [task.data.validation_size])
    if arrays.x_test is not None:
        return Split(train=rest, validation=validation, test=np.arange(len(arrays.x_test)))
    test, train = np.split(rest, [task.data.test_size])
    return Split(train=train, validation=validation, test=test)


def draw_subset(task: Task, preset: str | None) -> Split:
    """Which images of each split the task uses at `preset`, in ascending order: all, or as many as its subset says.

    Drawn by the task's seed; a larger subset contains every smaller one.
    """
    sizes = task.data.sizes(task.protocol(preset).subset if preset else None)
    return Split(
        **{
            part: np.sort(numpy_generator(task.seed, "subset", part).permutation(available)[: getattr(sizes, part)])
            for part, available in task.data.sizes()
        }
    )


def _fixed_images(task: Task, part: str, pixels: Pixels) -> tuple[ByteImages, str | None]:
    """Validation or test images with the bits that a binary task draws once, and the hash of the bits."""
    images = ByteImages(torch.tensor(pixels), task.data.levels, task.data.likelihood)
    if images.likelihood != "bernoulli":
        return images, None
    bits = draw_bits(pixels, images.levels, numpy_generator(task.seed, f"{part} bits"))
    images.bits = torch.tensor(bits)
    return images, hash_named({"bits": bits.astype(np.uint8)})


@lru_cache(maxsize=4)
def _load_source(source: str, folder: str) -> tuple[Arrays, str]:
    """The arrays of a source and their hash. `folder` only keeps one data folder apart from another in the cache."""
    arrays = _find_loader(source)()
    if not isinstance(arrays, Arrays):
        raise DataError(
            f"data source {source!r} returned {type(arrays).__name__}; "
            "let the function return mae_bench.data.arrays.Arrays."
        )
    return arrays, hash_arrays(arrays)


def _find_loader(source: str) -> Callable[[], object]:
    module_name, separator, function_name = LOADERS.get(source, source).partition(":")
    if not separator:
        raise DataError(
            f"there is no data source {source!r}; choose one of {', '.join(LOADERS)} or write package.module:function."
        )
    try:
        loader: Callable[[], object] = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise DataError(
            f"data source {source!r} cannot be loaded ({error}); install the package that has it, or correct the name."
        ) from error
    return loader


def _check(task: Task, arrays: Arrays, data_hash: str) -> None:
    """DataError unless the arrays are the ones that the task declares, and its other settings describe them."""
    settings = task.data
    kind, found, declared = "SHA-256", data_hash, settings.sha256
    if settings.git_blob:
        kind, found, declared = "git blob id", arrays.git_blob or "nothing", settings.git_blob
    if found != declared:
        raise DataError(
            f"the data of source {settings.source!r} (from {arrays.origin}) are not those that task {task.name} "
            f"declares: their {kind} is {found}, not {declared}; "
            "put the right ones in their place (a file of ours that you delete is downloaded again)."
        )
    fault = next(_faults(task, arrays), None)
    if fault:
        raise DataError(f"task {task.name} does not describe its own data: {fault}; correct [data] in the task file.")


def _faults(task: Task, arrays: Arrays) -> Iterator[str]:
    """Where the task's types, shapes, levels, labels and sizes are wrong; each check presumes those before it."""
    settings = task.data
    if settings.levels > 255:
        yield f"levels is {settings.levels}, but a pixel is one byte, at most 255"
    if (arrays.x_test is None) != (arrays.y_test is None):
        yield "only one of x_test and y_test is there"
    for part, images, labels in (
        ("train", arrays.x_train, arrays.y_train),
        ("test", arrays.x_test, arrays.y_test),
    ):
        if images is None or labels is None:
            continue
        if images.dtype != np.uint8 or images.shape[1:] != settings.shape:
            yield f"x_{part} is {images.dtype} {list(images.shape)}, not uint8 images of shape {list(settings.shape)}"
        if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            yield f"y_{part} is {labels.dtype} {list(labels.shape)}, not int64 [{len(images)}]"
        if images.max(initial=0) > settings.levels:
            yield f"x_{part} has levels up to {images.max()}, not {settings.levels}"
        if labels.size and not 0 <= labels.min() <= labels.max() < settings.classes:
            yield f"y_{part} has labels from {labels.min()} to {labels.max()}, not 0 to {settings.classes - 1}"
    to_split = settings.train_size + settings.validation_size
    if arrays.x_test is None:
        to_split += settings.test_size
    elif len(arrays.x_test) != settings.test_size:
        yield f"there are {len(arrays.x_test)} test images, not {settings.test_size}"
    if len(arrays.x_train) != to_split:
        yield f"there are {len(arrays.x_train)} images to split, not {to_split}"
