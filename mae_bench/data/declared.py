"""Whether the arrays of a source are those that the task declares, and whether its other settings describe them."""

from collections.abc import Iterator

import numpy as np

from mae_bench.data.arrays import Arrays
from mae_bench.data.sources import LOADERS
from mae_bench.foundation.errors import DataError
from mae_bench.planning.task import Task


def check_declared(task: Task, arrays: Arrays, data_hash: str) -> None:
    """DataError, with every fault, unless the arrays are the ones that the task declares and describes."""
    if other := hash_fault(task, arrays, data_hash):
        remedy = (
            "put the right ones in their place (a file of ours that you delete is downloaded again)."
            if task.data.source in LOADERS
            else f"put the right ones in their place, or declare these with sha256 = {data_hash!r} in the task file."
        )
        raise DataError(
            f"the data of source {task.data.source!r} (from {arrays.origin}) are not those that task {task.name} "
            f"declares ({other}); {remedy}"
        )
    if found := list(declared_faults(task, arrays)):
        raise DataError(
            f"task {task.name} does not describe its own data ({'; '.join(found)}); correct [data] in the task file."
        )


def hash_fault(task: Task, arrays: Arrays, data_hash: str) -> str | None:
    """The hash of the arrays and the declared one as a clause, both whole, if they differ; None if they agree."""
    settings = task.data
    if settings.files is not None:
        read = arrays.files or {}
        wrong = [
            f"the hash of {name} is {read.get(name, 'not known')}, not {declared}"
            for name, declared in settings.files.items()
            if read.get(name) != declared
        ]
        unnamed = [f"{name} is read, too" for name in read if name not in settings.files]
        return "; ".join(wrong + unnamed) or None
    kind, found, declared = "SHA-256", data_hash, settings.sha256
    if settings.git_blob:
        kind, found, declared = "git blob id", arrays.git_blob or "nothing", settings.git_blob
    return None if found == declared else f"their {kind} is {found}, not {declared}"


def declared_faults(task: Task, arrays: Arrays) -> Iterator[str]:
    """Where the task's types, shapes, levels, labels and sizes are wrong, a clause each."""
    settings = task.data
    if settings.levels > 255:
        yield f"levels is {settings.levels}, but a pixel is one byte, at most 255"
    for part in ("train", "validation", "test"):
        images, labels = getattr(arrays, f"x_{part}"), getattr(arrays, f"y_{part}")
        if images is None:
            if labels is not None:
                yield f"y_{part} is there without x_{part}"
            continue
        if images.dtype != np.uint8 or images.shape[1:] != settings.shape:
            yield f"x_{part} is {images.dtype} {list(images.shape)}, not uint8 images of shape {list(settings.shape)}"
        elif images.max(initial=0) > settings.levels:
            yield f"x_{part} has levels up to {images.max()}, not {settings.levels}"
        if labels is None:
            if settings.classes:
                yield f"y_{part} is missing, but classes is {settings.classes} and not 0, which stands for no labels"
        elif labels.dtype != np.int64 or labels.shape != images.shape[:1]:
            yield f"y_{part} is {labels.dtype} {list(labels.shape)}, not int64 [{len(images)}]"
        elif labels.size and not 0 <= labels.min() <= labels.max() < settings.classes:
            yield f"y_{part} has labels from {labels.min()} to {labels.max()}, {_meant(settings.classes)}"
    yield from _size_faults(task, arrays)


def _meant(classes: int) -> str:
    return f"not 0 to {classes - 1}" if classes else "but classes is 0, which stands for no labels"


def _size_faults(task: Task, arrays: Arrays) -> Iterator[str]:
    to_split = task.data.train_size
    for part in ("validation", "test"):
        images, declared = getattr(arrays, f"x_{part}"), getattr(task.data, f"{part}_size")
        if images is None:
            to_split += declared
        elif len(images) != declared:
            yield f"there are {len(images)} {part} images, not {declared}"
    if len(arrays.x_train) != to_split:
        yield f"there are {len(arrays.x_train)} images to split, not {to_split}"
