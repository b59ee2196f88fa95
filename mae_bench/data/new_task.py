"""What `new-task` must know of somebody's images: where they are from now on, and what a task file says of them."""

import io
from pathlib import Path

import numpy as np

from mae_bench.data.arrays import Arrays, hash_arrays
from mae_bench.data.hugging_face import PREFIX, read_hub
from mae_bench.data.own import holds_idx_files, read_images
from mae_bench.data.pictures import read_pictures
from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.errors import DataError, UsageError
from mae_bench.planning.new_task import Description, split_sizes

_NAMES = ("x_train", "y_train", "x_validation", "y_validation", "x_test", "y_test")


def read_for_task(images: Path | str, copy: Path, size: int | None) -> tuple[Arrays, Path]:
    """The images of a path, or of an address of the hub, and the file or folder that a task is to name for them.

    Pictures, whose decoders differ from machine to machine, and data sets of the hub are kept as `copy`, an .npz file.
    UsageError if that is there already, if there is nothing at the path, or for a `size` of images that are none of
    these; DataError if the images cannot be read.
    """
    if isinstance(images, str) and not images.startswith(PREFIX):
        raise UsageError(f"{images} is neither a file nor a folder; addresses begin with {PREFIX}.")
    if isinstance(images, Path):
        if not images.exists():
            raise UsageError(f"there is no file or folder {images}; correct the path.")
        if images.is_file() or holds_idx_files(images):
            if size is not None:
                raise UsageError("--size is for pictures and data sets of the hub; leave it out, or save other arrays.")
            return read_images(images), images
    if copy.exists():
        raise UsageError(f"{copy} already exists and stays unchanged; choose another name or move that file.")
    arrays = read_pictures(images, size) if isinstance(images, Path) else read_hub(images, size)
    content = io.BytesIO()
    np.savez_compressed(content, **{name: part for name in _NAMES if (part := getattr(arrays, name)) is not None})
    write_atomically(copy, content.getvalue())
    return read_images(copy), copy


def describe_images(
    arrays: Arrays, source: str, *, binary: bool, levels: int | None, validation: int | None, test: int | None
) -> tuple[Description, str]:
    """What a task file says of the arrays, and a sentence about them for people.

    source: the path of the images from the folder of the task file. levels, validation, test: None for a choice of
    ours. UsageError if there are too few images for what is asked; DataError if images are not what `levels` says.
    """
    brightest = max(
        int(part.max()) for part in (arrays.x_train, arrays.x_validation, arrays.x_test) if part is not None
    )
    if levels is None:
        levels = 1 if binary and brightest <= 1 else 255
    if brightest > levels:
        raise DataError(f"the images of {source} have levels up to {brightest}; give --levels {brightest} or more.")
    if arrays.x_test is not None and test not in (None, len(arrays.x_test)):
        raise UsageError(f"{source} has {len(arrays.x_test)} test images of its own; leave out --test.")
    if arrays.x_validation is not None and validation not in (None, len(arrays.x_validation)):
        raise UsageError(
            f"{source} has {len(arrays.x_validation)} validation images of its own; leave out --validation."
        )
    train = len(arrays.x_train)
    validation, test = split_sizes(train, validation, test)
    if arrays.x_validation is not None:
        validation = len(arrays.x_validation)
    else:
        train -= validation
    if arrays.x_test is not None:
        test = len(arrays.x_test)
    else:
        train -= test
    if train < 1:
        raise UsageError(
            f"{validation} and {test} images for validation and test leave none to train on; ask for fewer."
        )
    labels = [part for part in (arrays.y_train, arrays.y_validation, arrays.y_test) if part is not None]
    channels, height, width = arrays.x_train.shape[1:]
    about = Description(
        source=source if source.startswith("../") else f"./{source}",
        sha256=hash_arrays(arrays),
        shape=(channels, height, width),
        likelihood="bernoulli" if binary else "discretized_logistic_mixture",
        levels=levels,
        classes=1 + max(int(part.max()) for part in labels) if labels else 0,
        train=train,
        validation=validation,
        test=test,
    )
    pixel = f"each pixel a Bernoulli draw with p = grey/{levels}" if levels > 1 else "each pixel a bit"
    likelihood = pixel if binary else "bits/dim by a mixture of discretised logistics"
    kind = "grey" if channels == 1 else "colour"
    return about, f"{train + validation + test:,} {kind} images, {width}x{height}, from {source}; {likelihood}."
