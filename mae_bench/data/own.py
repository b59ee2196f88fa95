"""Images of one's own: .npz, .npy and IDX files, folders of pictures, and dictionaries of arrays, made into Arrays."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mae_bench.data.arrays import Arrays, Labels, Pixels
from mae_bench.data.idx import parse_idx
from mae_bench.data.pictures import read_pictures
from mae_bench.foundation.errors import DataError, describe

AnyArray = NDArray[Any]
SPLITS = ("train", "validation", "test")
IDX_ENDINGS = ("-ubyte", "-ubyte.gz")
_IDX_PREFIXES = {"train": ("train-",), "validation": ("validation-", "valid-", "val-"), "test": ("t10k-", "test-")}
CHANNELS = (1, 3)
"""How many channels an image may have: this tells [N, C, H, W] from [N, H, W, C]."""


def read_images(path: Path) -> Arrays:
    """The images of a file or folder, with their labels if there are any.

    .npz: as `arrays_of` takes its arrays. .npy: images alone. IDX: a file of images, with the labels of the file beside
    it that is named alike; or a folder of such files, as MNIST comes. Any other folder: pictures (`read_pictures`).
    DataError if the path leads to none of these, or to damaged ones.
    """
    try:
        if path.is_dir():
            return arrays_of(_idx_folder(path), str(path)) if holds_idx_files(path) else read_pictures(path)
        if path.name.endswith(IDX_ENDINGS):
            return arrays_of(_idx_pair(path, "train"), str(path))
        if path.suffix in (".npz", ".npy"):
            return arrays_of(_read_numpy(path), str(path))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}); correct the path.") from error
    raise DataError(
        f"{path} is neither an .npz, .npy or IDX file (-ubyte, -ubyte.gz) nor a folder of pictures; "
        "save the images as one of these."
    )


def holds_idx_files(folder: Path) -> bool:
    """Whether IDX files lie in the folder."""
    return any(path.name.endswith(IDX_ENDINGS) for path in folder.iterdir())


def arrays_of(parts: Mapping[str, Any], origin: str) -> Arrays:
    """Arrays of images and labels, from a dictionary of them.

    parts: x_train and, if there are any, y_train, x_validation, y_validation, x_test and y_test; or, under any names,
    one array of images and perhaps one of labels. Images: [N, H, W], [N, H, W, C] or [N, C, H, W] with one or three
    channels; bits, integers from 0 to 255, or floats from 0 to 1, which become 255 times as large and are rounded.
    Labels: any integers, [N] or [N, 1], numbered anew from 0 in their order. origin: for messages. DataError if they
    are none of these.
    """
    try:
        found = {name: np.asarray(part) for name, part in parts.items()}
        named = found if "x_train" in found else _only_images(found)
        images = _to_pixels({split: named[f"x_{split}"] for split in SPLITS if f"x_{split}" in named})
        labels = _to_labels({split: named.get(f"y_{split}") for split in images}, images)
    except ValueError as error:
        raise DataError(f"{origin} holds no images that could be read ({error}); save them anew.") from error
    return Arrays(
        images["train"],
        labels.get("train"),
        images.get("test"),
        labels.get("test"),
        origin=origin,
        x_validation=images.get("validation"),
        y_validation=labels.get("validation"),
    )


def _only_images(parts: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """The only array that can be images, and the only one that can be their labels, under the names for training."""
    images = [name for name, part in parts.items() if part.ndim in (3, 4)]
    if len(images) != 1:
        raise ValueError(
            f"{len(images)} of its arrays ({', '.join(parts) or 'there are none'}) have three or four axes; "
            "name the images x_train, x_validation and x_test, and their labels y_train, y_validation and y_test"
        )
    named = {"x_train": parts[images[0]]}
    count = len(named["x_train"])
    labels = [name for name, part in parts.items() if _may_be_labels(part, count)]
    if len(labels) > 1:
        raise ValueError(
            f"{' and '.join(labels)} could both be labels; name the images x_train and their labels y_train"
        )
    if labels:
        named["y_train"] = parts[labels[0]]
    return named


def _may_be_labels(part: AnyArray, count: int) -> bool:
    return part.dtype.kind in "iu" and part.shape in ((count,), (count, 1))


def _to_pixels(images: Mapping[str, AnyArray]) -> dict[str, Pixels]:
    """uint8 [N, C, H, W] of each split; what the numbers mean is decided for all splits together."""
    for split, part in images.items():
        if part.dtype.kind not in "biuf":
            raise ValueError(f"x_{split} is an array of {part.dtype}, not of numbers")
        if not part.size:
            raise ValueError(f"x_{split} is empty")
    extremes = [(float(part.min()), float(part.max())) for part in images.values()]
    low, high = min(one for one, _ in extremes), max(one for _, one in extremes)
    whole = all(part.dtype.kind in "biu" or bool((part % 1 == 0).all()) for part in images.values())
    if not 0 <= low <= high <= (255 if whole else 1):  # also for NaN
        raise ValueError(
            f"its numbers run from {low:g} to {high:g}, and are neither whole ones from 0 to 255 nor others from 0 to 1"
        )
    if not whole:
        images = {split: np.rint(part * 255) for split, part in images.items()}
    pixels = {split: _channels_first(part.astype(np.uint8), split) for split, part in images.items()}
    if len({part.shape[1:] for part in pixels.values()}) > 1:
        shapes = ", ".join(f"{list(part.shape[1:])} for {split}" for split, part in pixels.items())
        raise ValueError(f"its images differ in shape ({shapes})")
    return pixels


def _channels_first(part: Pixels, split: str) -> Pixels:
    """uint8 [N, C, H, W], in the order of C in memory."""
    if part.ndim == 3:
        return part[:, np.newaxis]
    first, last = part.ndim == 4 and part.shape[1] in CHANNELS, part.ndim == 4 and part.shape[-1] in CHANNELS
    if first == last:
        reason = "both [N, C, H, W] and [N, H, W, C]" if first else "none of [N, H, W], [N, H, W, C] and [N, C, H, W]"
        raise ValueError(f"x_{split} has the shape {list(part.shape)}, which is {reason} with one or three channels")
    return np.ascontiguousarray(part if first else np.moveaxis(part, -1, 1))


def _to_labels(labels: Mapping[str, AnyArray | None], images: Mapping[str, Pixels]) -> dict[str, Labels]:
    """int64 [N] of each split, numbered from 0 over all of them; empty if no split has any."""
    given = {split: part for split, part in labels.items() if part is not None}
    if not given:
        return {}
    for split in images:
        if split not in given:
            raise ValueError(f"y_{split} is missing, while other images have labels")
        if not _may_be_labels(given[split], len(images[split])):
            part = given[split]
            raise ValueError(f"y_{split} is {part.dtype} {list(part.shape)}, not {len(images[split])} integers")
    flat = np.concatenate([given[split].reshape(-1) for split in images])
    numbers = np.unique(flat, return_inverse=True)[1].reshape(-1).astype(np.int64)
    ends = np.cumsum([len(images[split]) for split in images])[:-1]
    return dict(zip(images, np.split(numbers, ends), strict=True))


def _read_numpy(path: Path) -> dict[str, AnyArray]:
    """The arrays of an .npz file, or that of an .npy file as x_train."""
    if path.suffix == ".npz" and path.exists() and not zipfile.is_zipfile(path):
        raise DataError(f"{path} is not a whole .npz archive; save it anew.")
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            return {"x_train": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded}
    except OSError:
        raise
    except Exception as error:  # damage shows in zipfile, zlib, tokenize or NumPy, each with errors of its own
        raise DataError(f"{path} cannot be read ({describe(error)}); save it anew, without Python objects.") from error


def _idx_folder(folder: Path) -> dict[str, AnyArray]:
    """Images and labels of the IDX files in a folder, by what the names of its files begin with."""
    parts: dict[str, AnyArray] = {}
    for split, prefixes in _IDX_PREFIXES.items():
        for path in sorted(folder.iterdir()):
            if path.name.endswith(IDX_ENDINGS) and path.name.startswith(prefixes) and "images" in path.name:
                parts |= _idx_pair(path, split)
                break
    return parts


def _idx_pair(path: Path, split: str) -> dict[str, AnyArray]:
    """A file of images and, if it is there, the file of their labels."""
    parts: dict[str, AnyArray] = {f"x_{split}": _read_idx(path)}
    name = path.name.replace("images", "labels").replace("idx3", "idx1").removesuffix(".gz")
    for beside in (path.with_name(name), path.with_name(f"{name}.gz")):
        if beside != path and beside.exists() and f"y_{split}" not in parts:
            parts[f"y_{split}"] = _read_idx(beside)
    return parts


def _read_idx(path: Path) -> AnyArray:
    return parse_idx(path.read_bytes(), path.name, "images or labels")
