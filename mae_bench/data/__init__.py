"""A task's images: loaded once a process, checked against the task, then split and binarised by the task's own seed."""

from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mae_bench.adapter import DataSpec
from mae_bench.data.arrays import Arrays, Labels, Pixels, hash_named
from mae_bench.data.declared import check_declared
from mae_bench.data.download import DownloadNeeded, no_downloads
from mae_bench.data.images import ByteImages, draw_bits
from mae_bench.data.sources import downloads_by_itself, find_source, load_source
from mae_bench.foundation.seeding import numpy_generator
from mae_bench.planning.task import Task

NO_LABEL = -1
"""Stands for the label of every image of a task without labels."""


@dataclass(frozen=True)
class DataSet:
    """What a job is trained and scored on. Labels: int64 [N], in the order of the images, `NO_LABEL` throughout if the
    task has none; no model ever sees them.

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
    """The indices of each split: into x_train, or for `validation` and `test` into the arrays that the source has for
    them; of a subset, into the splits themselves.
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
    arrays, data_hash = load_source(task)
    check_declared(task, arrays, data_hash)
    split = draw_split(task, arrays)
    x_train, y_train = arrays.x_train, _labels(arrays.x_train, arrays.y_train)
    x_validation, y_validation, x_test, y_test = x_train, y_train, x_train, y_train
    if arrays.x_validation is not None:
        x_validation, y_validation = arrays.x_validation, _labels(arrays.x_validation, arrays.y_validation)
    if arrays.x_test is not None:
        x_test, y_test = arrays.x_test, _labels(arrays.x_test, arrays.y_test)
    validation, validation_hash = _fixed_images(task, "validation", x_validation[split.validation])
    test, test_hash = _fixed_images(task, "test", x_test[split.test])
    train = ByteImages(torch.tensor(x_train[split.train]), task.data.levels, task.data.likelihood)
    kept = draw_subset(task, preset)
    return DataSet(
        spec=data_spec(task, preset),
        train=train.subset(torch.from_numpy(kept.train)).to(device),
        validation=validation.subset(torch.from_numpy(kept.validation)).to(device),
        test=test.subset(torch.from_numpy(kept.test)).to(device),
        train_labels=y_train[split.train][kept.train],
        validation_labels=y_validation[split.validation][kept.validation],
        test_labels=y_test[split.test][kept.test],
        hashes={"data": data_hash, "validation_bits": validation_hash, "test_bits": test_hash},
    )


def look_at(task: Task) -> None:
    """DataError for what `load_data` would find wrong with the data of `task`, as far as that shows without a download.

    What is in the data folder is loaded and compared with the task; what is not passes. Of a source that is not built
    in, the function is found and not called, since it may download by means of its own.
    """
    if downloads_by_itself(task):
        find_source(task)
        return
    with suppress(DownloadNeeded), no_downloads():
        load_data(task)


def draw_split(task: Task, arrays: Arrays) -> Split:
    """Which images each split has, drawn from the source's training images by the task's seed; the source's own
    validation or test images, if it has any, are that split, in their order.
    """
    rest = np.arange(len(arrays.x_train))
    if arrays.x_validation is None or arrays.x_test is None:
        rest = numpy_generator(task.seed, "split").permutation(len(arrays.x_train))
    if arrays.x_validation is not None:
        validation = np.arange(len(arrays.x_validation))
    else:
        validation, rest = np.split(rest, [task.data.validation_size])
    if arrays.x_test is not None:
        test = np.arange(len(arrays.x_test))
    else:
        test, rest = np.split(rest, [task.data.test_size])
    return Split(train=rest, validation=validation, test=test)


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


def _labels(images: Pixels, labels: Labels | None) -> Labels:
    return np.full(len(images), NO_LABEL, dtype=np.int64) if labels is None else labels
