"""Folders of pictures: classes by folder, grey where all is grey, one size, and one sentence for what is wrong."""

import numpy as np
import pytest
from PIL import Image

from mae_bench.data.pictures import read_pictures
from mae_bench.foundation.errors import DataError

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(256, size=(6, 7, 5), dtype=np.uint8)
COLOUR = RANDOM.integers(256, size=(4, 7, 5, 3), dtype=np.uint8)


def save(folder, name, array):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def test_a_folder_for_each_class(tmp_path):
    for number, place in enumerate(("cat/b.png", "cat/a.png", "ant/deep/c.bmp", "zebra/d.PNG", ".hidden/e.png")):
        save(tmp_path, place, GREY[number])
    arrays = read_pictures(tmp_path)
    np.testing.assert_array_equal(arrays.x_train[:, 0], GREY[[2, 1, 0, 3]])
    assert arrays.y_train.tolist() == [0, 1, 1, 2]
    assert (arrays.x_test, arrays.y_test) == (None, None)


@pytest.mark.parametrize("place", ["{}.png", "all/{}.png"])
def test_one_folder_has_no_classes(tmp_path, place):
    for number, picture in enumerate(COLOUR):
        save(tmp_path, place.format(number), picture)
    arrays = read_pictures(tmp_path)
    assert arrays.y_train is None
    np.testing.assert_array_equal(arrays.x_train, np.moveaxis(COLOUR, 3, 1))


def test_grey_pictures_in_three_channels_have_one_unless_one_has_a_colour(tmp_path):
    for number, picture in enumerate(GREY):
        save(tmp_path, f"{number}.png", np.repeat(picture[..., None], 3, axis=2))
    assert read_pictures(tmp_path).x_train.shape == (6, 1, 7, 5)
    save(tmp_path, "coloured.png", COLOUR[0])
    assert read_pictures(tmp_path).x_train.shape == (7, 3, 7, 5)


def test_pictures_of_several_sizes_need_one(tmp_path):
    save(tmp_path, "a.png", np.zeros((8, 16), np.uint8))
    save(tmp_path, "b.png", np.zeros((8, 16), np.uint8))
    save(tmp_path, "c.png", np.full((30, 10), 255, np.uint8))
    with pytest.raises(DataError, match=r"2 sizes, most often 16x8, but c\.png is 10x30; .* --size"):
        read_pictures(tmp_path)
    pixels = read_pictures(tmp_path, size=4).x_train
    assert pixels.shape == (3, 1, 4, 4)
    assert (pixels[:2].max(), pixels[2].min()) == (0, 255)


def test_a_picture_is_cut_in_its_middle(tmp_path):
    wide = np.zeros((4, 12), np.uint8)
    wide[:, 4:8] = 200
    save(tmp_path, "wide.png", wide)
    assert (read_pictures(tmp_path, size=4).x_train == 200).all()


def test_what_is_wrong_with_a_folder_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match=r"holds no pictures \(\.bmp, .*\); give the one"):
        read_pictures(tmp_path)
    save(tmp_path, "a.png", GREY[0])
    save(tmp_path, "cat/b.png", GREY[1])
    with pytest.raises(DataError, match="both beside and in its folders"):
        read_pictures(tmp_path)
    (tmp_path / "cat" / "b.png").write_bytes(b"no picture")
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match=r"picture .*b\.png cannot be read \(.*\); remove or replace it"):
        read_pictures(tmp_path)
