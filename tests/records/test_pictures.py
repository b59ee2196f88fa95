"""The pictures beside a record: how they are drawn, and that nothing but the pixels of a submitted one is kept."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from mae_bench.foundation.errors import RecordError
from mae_bench.records import pictures
from mae_bench.records.pictures import (
    KINDS,
    LARGEST_FILE,
    LARGEST_SIDE,
    LINE,
    SMALL,
    draw_sheet,
    picture_path,
    read_picture,
    read_pictures,
    replace_pictures,
)
from mae_bench.records.store import Store

NOISE = np.random.default_rng(0).integers(256, size=(1100, 1100, 3), dtype=np.uint8)


def png(array, **settings):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG", **settings)
    return file.getvalue()


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("channels", [1, 3])
def test_images_stand_in_rows_with_lines_between(channels):
    images = np.random.default_rng(1).integers(256, size=(2, 3, channels, 4, 5), dtype=np.uint8)
    sheet = pixels(draw_sheet(list(images), gap=2)).reshape(9, 19, channels)
    for row, column in np.ndindex(2, 3):
        place = sheet[5 * row : 5 * row + 4, 7 * column : 7 * column + 5]
        assert (place == images[row, column].transpose(1, 2, 0)).all()
    assert (sheet[4] == LINE).all() and (sheet[:, [5, 6, 12, 13]] == LINE).all()


def test_a_sheet_that_would_be_large_has_fewer_rows(monkeypatch):
    rows = list(NOISE[:264, :264].reshape(8, 33, 8, 33, 3).transpose(0, 2, 4, 1, 3)[..., :32, :32])
    content = draw_sheet(rows)
    kept, rest = divmod(pixels(content).shape[0] + 1, 33)
    assert rest == 0 and 1 <= kept < 8 and len(content) <= SMALL
    one = draw_sheet([NOISE[None, :150, :150].transpose(0, 3, 1, 2)] * 2)
    assert pixels(one).shape == (150, 150, 3) and len(one) > SMALL, "one row is drawn whatever it has"
    monkeypatch.setattr(pictures, "SMALL", 2**20)
    assert len(draw_sheet(rows[: kept + 1])) > SMALL, "no row is left out without need"


@pytest.mark.parametrize("array", [NOISE[:20, :30], NOISE[:20, :30, 0]], ids=["RGB", "L"])
def test_the_pixels_are_kept_and_nothing_else(tmp_path, array):
    about = PngImagePlugin.PngInfo()
    about.add_text("Comment", "<script>alert(1)</script>", zip=False)
    file = tmp_path / "a.png"
    file.write_bytes(png(array, pnginfo=about, dpi=(300, 300)) + b"<script>alert(2)</script>")
    picture = read_picture(file)
    assert (pixels(picture.content) == array).all() and (picture.width, picture.height) == (30, 20)
    assert b"script" not in picture.content and b"pHYs" not in picture.content
    file.write_bytes(picture.content)
    assert read_picture(file) == picture, "written anew, it is as it was"


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bomb(side):
    """A grey PNG of so many pixels each way, all black, in few bytes."""
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    body = zlib.compress(bytes(min(side, 2000) * (side + 1)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def jpeg():
    file = io.BytesIO()
    Image.fromarray(NOISE[:9, :9]).save(file, "JPEG")
    return file.getvalue()


HOSTILE = {
    "empty": b"",
    "text": b"<svg onload='alert(1)'/>",
    "another format": jpeg(),
    "cut off": png(NOISE[:90, :90])[:9000],
    "changed": png(NOISE[:90, :90]).replace(b"IDAT", b"IDAX"),
    "with transparency": png(np.dstack([NOISE[:9, :9], NOISE[:9, :9, :1]])),
    "a palette": png(NOISE[:9, :9, 0] > 99),
    "sixteen bits": png(NOISE[:9, :9, 0].astype(np.uint16)),
    "too wide": png(NOISE[:1, : LARGEST_SIDE + 1]),
    "too many bytes": png(NOISE[:400, :400]),
    "too many bytes behind": png(NOISE[:9, :9]) + bytes(LARGEST_FILE),
    "black and large": bomb(LARGEST_SIDE + 1),
    "a bomb": bomb(12_000),
    "a larger bomb": bomb(60_000),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_anything_else_is_left_out_with_a_sentence(tmp_path, content):
    file = tmp_path / f"{'a' * 64}.samples.png"
    file.write_bytes(content)
    with pytest.raises(RecordError, match=r"^picture a{64}\.samples\.png is left out \(.*\); .*\.$"):
        read_picture(file)


def test_what_is_too_large_once_it_is_written_anew_is_left_out(tmp_path, monkeypatch):
    file = tmp_path / "a.png"
    file.write_bytes(png(NOISE[:9, :9]))
    monkeypatch.setattr(pictures, "_encode", lambda image: bytes(LARGEST_FILE + 1))
    with pytest.raises(RecordError, match="written anew it has more than 256 KiB"):
        read_picture(file)


def test_links_and_folders_are_left_out(tmp_path):
    record, outside = tmp_path / "store" / f"{'a' * 64}.json", tmp_path / "secret.png"
    outside.write_bytes(png(NOISE[:9, :9]))
    picture_path(record, "reconstructions").mkdir(parents=True)
    picture_path(record, "samples").symlink_to(outside)
    found, left_out = read_pictures(record)
    assert found == {} and len(left_out) == 2
    assert "samples.png is a symbolic link" in left_out[0] and "is not a regular file" in left_out[1]


def test_pictures_of_an_older_record_go(tmp_path, make_record):
    store = Store(tmp_path)
    record = make_record()
    path = store.save(record)
    both = {kind: png(NOISE[:9, :9]) for kind in KINDS}
    replace_pictures(path, both)
    assert {kind: picture.content for kind, picture in read_pictures(path)[0].items()} == both
    assert store.records() == [record], "a picture is no record"
    replace_pictures(path, {"samples": both["samples"]})
    assert list(read_pictures(path)[0]) == ["samples"]
    replace_pictures(path, {})
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [path]
