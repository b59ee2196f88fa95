"""Folders of pictures: PNG, JPEG and others, with a folder for each class as in torchvision's ImageFolder."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mae_bench.data.arrays import Arrays, Pixels
from mae_bench.foundation.errors import DataError
from mae_bench.foundation.paths import visible

if TYPE_CHECKING:
    from PIL import Image

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"})


def read_pictures(folder: Path, size: int | None = None) -> Arrays:
    """Every picture beneath `folder`, in the order of their paths; the first folder on a picture's path is its class.

    The classes are numbered by name; there are no labels if no picture lies in a folder of its own, or all in the same.
    size: each picture is scaled and cut at its edges to so many pixels each way. Colours whose three channels agree in
    all pictures are one grey channel. DataError if there is no picture, if one cannot be read, or if they differ in
    size.
    """
    paths = [path for path in visible(folder, "**/*") if path.suffix.lower() in ENDINGS and path.is_file()]
    if not paths:
        endings = ", ".join(sorted(ENDINGS))
        raise DataError(f"folder {folder} holds no pictures ({endings}); give the one that they are in.")
    parts = [path.relative_to(folder).parts for path in paths]
    if any(len(part) == 1 for part in parts) and any(len(part) > 1 for part in parts):
        raise DataError(
            f"folder {folder} holds pictures both beside and in its folders; put each into the folder of its class, or "
            "all of them into one."
        )
    pixels = stack_pictures([_read(path, size) for path in paths], [str(path.relative_to(folder)) for path in paths])
    names, numbers = np.unique([part[0] for part in parts], return_inverse=True)
    labelled = len(parts[0]) > 1 and len(names) > 1
    return Arrays(pixels, numbers.reshape(-1).astype(np.int64) if labelled else None, None, None, origin=str(folder))


def stack_pictures(pictures: "Sequence[Pixels]", names: Sequence[str]) -> Pixels:
    """uint8 [N, C, H, W] of pictures [H, W, 3], with one channel if all are grey. DataError if they differ in size."""
    sizes = Counter(picture.shape[:2] for picture in pictures)
    if len(sizes) > 1:
        (most, _), (other, _) = sizes.most_common(2)
        example = next(name for name, picture in zip(names, pictures, strict=True) if picture.shape[:2] == other)
        raise DataError(
            f"the pictures have {len(sizes)} sizes, most often {most[1]}x{most[0]}, but {example} is "
            f"{other[1]}x{other[0]}; bring them all to one size with --size."
        )
    pixels = np.stack(list(pictures))
    if (pixels == pixels[..., :1]).all():
        pixels = pixels[..., :1]
    return np.ascontiguousarray(np.moveaxis(pixels, -1, 1))


def to_colours(image: "Image.Image", size: int | None) -> Pixels:
    """uint8 [H, W, 3], turned as its camera says; scaled and cut to `size` pixels each way if that is given."""
    from PIL import Image, ImageOps

    turned = ImageOps.exif_transpose(image).convert("RGB")
    if size is not None:
        turned = ImageOps.fit(turned, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(turned)


def _read(path: Path, size: int | None) -> Pixels:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return to_colours(image, size)
    except Exception as error:  # damage shows in Pillow and its codecs, each with errors of its own
        raise DataError(f"picture {path} cannot be read ({error}); remove or replace it.") from error
