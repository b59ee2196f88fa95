"""Data sets of the Hugging Face hub, where its package `datasets` is installed (the extra `mae-bench[datasets]`)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mae_bench.data.arrays import Arrays, Pixels
from mae_bench.data.own import arrays_of
from mae_bench.data.pictures import stack_pictures, to_colours
from mae_bench.foundation.errors import DataError, UsageError, describe

PREFIX = "hf://datasets/"
_SPLITS = {"train": "train", "validation": "validation", "valid": "validation", "test": "test"}
"""What the hub calls a split -> what we call it."""


def read_hub(url: str, size: int | None = None) -> Arrays:
    """The images of the data set `hf://datasets/OWNER/NAME`: its first column of images, its first column of classes.

    Its splits train, validation (or valid) and test are those of the task; a data set with one split of another name
    has that for training. size: see `read_pictures`. UsageError if `datasets` is not installed; DataError if the data
    set cannot be loaded, or has no images.
    """
    try:
        import datasets
    except ImportError as error:
        raise UsageError(
            f"{url} needs the package datasets ({error}); install it with pip install 'mae-bench[datasets]'."
        ) from error
    name = url.removeprefix(PREFIX)
    try:
        splits = datasets.load_dataset(name)
    except Exception as error:  # no network, no such data set, no right to it: each with errors of its own
        raise DataError(
            f"{url} cannot be loaded ({describe(error)}); check the name and the network, or load it once where "
            "there is one, copy the cache that HF_HOME names, and set HF_HUB_OFFLINE=1."
        ) from error
    named = {ours: splits[theirs] for theirs, ours in _SPLITS.items() if theirs in splits}
    if "train" not in named:
        if len(splits) > 1:
            raise DataError(f"{url} has the splits {', '.join(splits)} and none called train; save it as an .npz file.")
        named = {"train": next(iter(splits.values()))}
    features = named["train"].features
    images = [column for column, kind in features.items() if isinstance(kind, datasets.Image)]
    classes = [column for column, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    if not images:
        raise DataError(f"{url} has no column of images, only {', '.join(features)}; choose another data set.")
    parts: dict[str, NDArray[Any]] = {}
    for split, rows in named.items():
        parts[f"x_{split}"] = _pictures(rows, images[0], size)
        if classes:
            parts[f"y_{split}"] = np.asarray(rows[classes[0]])
    if any((parts[f"y_{split}"] < 0).any() for split in named if classes):  # a hidden label, as of a competition's test
        parts = {array: part for array, part in parts.items() if array.startswith("x_")}
    return arrays_of(parts, url)


def _pictures(rows: Any, column: str, size: int | None) -> Pixels:
    pictures = [to_colours(row[column], size) for row in rows]
    return stack_pictures(pictures, [f"picture {number}" for number in range(len(pictures))])
