"""All of OMNIGLOT from a prepared file and from archives of drawings: how they are read, and a sentence for damage."""

import hashlib
from io import BytesIO
from itertools import combinations_with_replacement, pairwise
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from mae_bench.data import draw_split, load_data, omniglot_lake
from mae_bench.data.arrays import Arrays
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import DataError
from mae_bench.planning.task import load_task

FIXTURE = Path(__file__).parents[1] / "fixtures" / "omniglot_300"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MAE_BENCH_DATA", str(tmp_path))
    monkeypatch.setattr(omniglot_lake, "MIRRORS", ())
    return tmp_path


def drawings(random, names):
    """Path in an archive -> bits [105, 105] of a drawing of a few thick strokes, True for ink."""
    found = {}
    for name in names:
        ink = np.zeros((105, 105), bool)
        for top, left in random.integers(95, size=(6, 2)):
            height, width = random.integers(1, 12, size=2)
            ink[top : top + height, left : left + width] = True
        found[name] = ink
    return found


def write_archive(folder, stem, bits):
    """An archive as the authors ship it: black ink on white, one bit a pixel, with folders and other files between."""
    with ZipFile(folder / f"{stem}.zip", "w") as archive:
        archive.mkdir(stem)
        archive.writestr(f"__MACOSX/{stem}/Greek/character01/._0001_01.png", b"no drawing")
        for name, ink in bits.items():
            file = BytesIO()
            Image.fromarray(~ink).convert("1").save(file, "PNG")
            archive.writestr(f"{stem}/{name}", file.getvalue())
    return f"{stem}.zip", "sha256:" + hashlib.sha256((folder / f"{stem}.zip").read_bytes()).hexdigest()


def box_filtered(ink):
    """The mean of the pixels whose centres an output pixel covers: along rows, rounded, then along columns, rounded."""

    def along_rows(image):
        edges = np.arange(29) * 105 / 28
        centres = np.arange(105) + 0.5
        covered = [(low < centres) & (centres <= high) for low, high in pairwise(edges)]
        return np.stack([np.floor(image[:, those].mean(axis=1) + 0.5) for those in covered], axis=1)

    return along_rows(along_rows(255.0 * ink).T).T


def test_archives_are_read_in_the_order_of_their_paths_and_box_filtered(folder, monkeypatch):
    random = np.random.default_rng(1)
    names = [
        f"{alphabet}/character0{c}/000{c}_0{d}.png" for alphabet in ("Greek", "Latin") for c in (1, 2) for d in (1, 2)
    ]
    background = drawings(random, random.permutation(names))
    evaluation = drawings(random, ["Atlantean/character01/0001_01.png"])
    parts = {
        "background": write_archive(folder, "images_background", background),
        "evaluation": write_archive(folder, "images_evaluation", evaluation),
    }
    monkeypatch.setattr(omniglot_lake, "PARTS", parts)
    arrays = omniglot_lake.load()
    assert (arrays.x_test, arrays.y_test) == (None, None)
    assert arrays.y_train.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 2]
    expected = [box_filtered(background[name]) for name in names] + [box_filtered(*evaluation.values())]
    np.testing.assert_array_equal(arrays.x_train[:, 0], np.stack(expected))


def test_the_real_drawings_have_the_levels_that_the_filter_can_give():
    """Means of three or four means of three or four bits of 0 or 255; another way of resizing gives other levels."""

    def means(levels, count):
        return {int(np.floor(sum(some) / count + 0.5)) for some in combinations_with_replacement(sorted(levels), count)}

    possible = {level for first in (3, 4) for second in (3, 4) for level in means(means((0, 255), first), second)}
    assert len(possible) < 40
    with np.load(FIXTURE / "omniglot.npz") as archive:
        levels = set(np.unique(archive["x_background"]).tolist()) | set(np.unique(archive["x_evaluation"]).tolist())
    assert {0, 21, 43, 128, 255} <= levels <= possible


def test_a_prepared_file_wins(monkeypatch):
    monkeypatch.setenv("MAE_BENCH_DATA", str(FIXTURE))
    arrays = omniglot_lake.load()
    assert arrays.x_train.shape == (300, 1, 28, 28)
    assert np.bincount(arrays.y_train).tolist() == [6] * 50
    with np.load(FIXTURE / "omniglot.npz") as archive:
        np.testing.assert_array_equal(arrays.x_train[180:, 0], archive["x_evaluation"])
        assert arrays.y_train[180] == archive["alphabet_evaluation"][0] == 30


def test_nothing_there_and_no_mirror_names_the_remedy(folder):
    with pytest.raises(DataError, match=r"images_background\.zip could not be fetched .*or put omniglot\.npz into"):
        omniglot_lake.load()


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({"x_background": None}, "it lacks one of the arrays x_background, alphabet_background, x_evaluation"),
        ({"x_evaluation": np.zeros((120, 28, 28))}, "x_evaluation is float64"),
        ({"x_background": np.zeros((180, 105, 105), np.uint8)}, r"x_background is uint8 \[180, 105, 105\]"),
        ({"alphabet_background": np.zeros(179, np.uint8)}, r"alphabet_background is uint8 \[179\]"),
        ({"alphabet_evaluation": np.zeros(120)}, "alphabet_evaluation is float64"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_damaged_prepared_file_is_named_with_the_reason(folder, replaced, reason):
    with np.load(FIXTURE / "omniglot.npz") as archive:
        parts = dict(archive) | replaced
    np.savez(folder / "omniglot.npz", **{name: part for name, part in parts.items() if part is not None})
    with pytest.raises(DataError, match=f"omniglot.npz is not a usable copy of Lake .*{reason}"):
        omniglot_lake.load()


@pytest.mark.parametrize("content", [b"no archive", None])
def test_a_damaged_archive_is_named(folder, content):
    if content is None:
        write_archive(folder, "images_background", {})
    else:
        (folder / "images_background.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"images_background\.zip is not a usable copy of Lake"):
        omniglot_lake.read_archive(folder / "images_background.zip")


def test_the_fixture_is_a_task_with_disjoint_splits(monkeypatch):
    monkeypatch.setenv("MAE_BENCH_DATA", str(FIXTURE))
    data = load_data(load_task(FIXTURE / "omniglot_300.toml"))
    assert (len(data.train), len(data.validation), len(data.test)) == (180, 40, 80)
    images = [image.numpy().tobytes() for part in (data.train, data.validation, data.test) for image in part.pixels]
    assert len(set(images)) == 300


def test_the_split_of_the_shipped_task():
    """24,345 images for training and validation, 8,115 for test, drawn by the seed alone."""
    task = load_task(content_folder("tasks") / "omniglot_lake.toml")
    blank = Arrays(np.zeros((32460, 1, 28, 28), np.uint8), np.zeros(32460, np.int64), None, None)
    split = draw_split(task, blank)
    assert len(split.train) + len(split.validation) == 24345
    assert (len(split.validation), len(split.test)) == (2345, 8115)
    assert np.array_equal(np.sort(np.concatenate(split)), np.arange(32460))
    assert task.reported == ()
