"""The pictures beside a record, `<key>.samples.png` and `<key>.reconstructions.png`. Does not import torch.

A record does not depend on them. A submitted one may be any file, so none is shown or copied as it is: `read_picture`
takes the pixels of a small PNG and writes them anew.
"""

import os
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray

from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.errors import RecordError
from mae_bench.foundation.untrusted import read_untrusted

if TYPE_CHECKING:
    from PIL import Image

KINDS = ("samples", "reconstructions")
LARGEST_SIDE = 1024
"""Pixels each way of a picture that is taken."""
LARGEST_FILE = 256 * 2**10
"""Bytes of a picture that is taken, as submitted and as written anew."""
SMALL = 64 * 2**10
"""Bytes of a picture that `draw_sheet` makes, if one row of images has no more."""
LINE = 128
"""The grey between images, in sight on white and on black."""

Images = NDArray[np.uint8]


class Picture(NamedTuple):
    """A PNG in grey or in colour, and its size in pixels."""

    content: bytes
    width: int
    height: int


def picture_path(record_file: Path, kind: str) -> Path:
    """Where the picture of that kind lies, beside the file of its record."""
    return record_file.with_suffix(f".{kind}.png")


def replace_pictures(record_file: Path, pictures: Mapping[str, bytes]) -> None:
    """Write `pictures`, by kind, beside the record, and remove those of other kinds: an older record's."""
    for kind in KINDS:
        if kind in pictures:
            write_atomically(picture_path(record_file, kind), pictures[kind])
        else:
            picture_path(record_file, kind).unlink(missing_ok=True)


def read_pictures(record_file: Path) -> tuple[dict[str, Picture], list[str]]:
    """The pictures beside the record, by kind, and a sentence about each that is left out (`read_picture`)."""
    pictures, left_out = {}, []
    for kind in KINDS:
        path = picture_path(record_file, kind)
        if os.path.lexists(path):
            try:
                pictures[kind] = read_picture(path)
            except RecordError as error:
                left_out.append(str(error))
    return pictures, left_out


def read_picture(path: Path) -> Picture:
    """The pixels of the untrusted PNG at `path`, written anew: nothing else of the file is kept.

    RecordError if it is no regular file or no PNG of 8 bits in grey or RGB, is damaged, or has more than
    `LARGEST_FILE` bytes or `LARGEST_SIDE` pixels each way.
    """
    from PIL import Image

    content = read_untrusted(path, "picture")
    if len(content) > LARGEST_FILE:
        raise _left_out(path, f"it has more than {LARGEST_FILE >> 10} KiB")
    try:
        with catch_warnings():
            simplefilter("error")  # a size at which Pillow only warns of a bomb
            image = Image.open(BytesIO(content), formats=["PNG"])
    except Exception as error:  # damage shows in Pillow and zlib, each with errors of its own
        raise _left_out(path, "it cannot be read") from error
    with image:
        if image.mode not in ("L", "RGB") or max(image.size) > LARGEST_SIDE:
            raise _left_out(path, f"it is {image.width}x{image.height} in mode {image.mode}")
        try:
            written = _encode(Image.frombytes(image.mode, image.size, image.tobytes()))
        except Exception as error:
            raise _left_out(path, "it is damaged") from error
        if len(written) > LARGEST_FILE:
            raise _left_out(path, f"written anew it has more than {LARGEST_FILE >> 10} KiB")
        return Picture(written, image.width, image.height)


def draw_sheet(rows: Sequence[Images], gap: int = 1) -> bytes:
    """A PNG of images [K, C, H, W] a row, each with a grey line before the next; C is 1 or 3.

    Fewer rows than given, but at least one, if it would have more than `SMALL` bytes. gap: pixels between columns.
    """
    from PIL import Image

    content = b""
    for count in range(len(rows), 0, -1):
        strips = [_strip(row, gap) for row in rows[:count]]
        sheet = np.concatenate(strips)[:-1]  # [h, w, C]
        content = _encode(Image.fromarray(np.ascontiguousarray(sheet[..., 0] if sheet.shape[2] == 1 else sheet)))
        if len(content) <= SMALL:
            break
    return content


def _strip(images: Images, gap: int) -> Images:
    """Images [K, C, H, W] side by side, `gap` grey columns between them and a grey line beneath: [H + 1, w, C]."""
    padded = np.pad(images, ((0, 0), (0, 0), (0, 1), (0, gap)), constant_values=LINE)
    return np.concatenate([image.transpose(1, 2, 0) for image in padded], axis=1)[:, :-gap]


def _encode(image: "Image.Image") -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _left_out(path: Path, fault: str) -> RecordError:
    return RecordError(
        f"picture {path.name} is left out ({fault}, and a picture is a PNG in grey or RGB with at most {LARGEST_SIDE} "
        f"pixels each way and {LARGEST_FILE >> 10} KiB); draw it anew with mae-bench figures --pictures."
    )
