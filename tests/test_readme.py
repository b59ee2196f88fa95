"""README.md opens with a table and a picture of what the published records give."""

import copy

import pytest

from leaderboard.readme import COLUMNS, PAGE, PICTURE, picture, points, points_in, table, with_table


def test_the_page_shows_what_the_published_records_give() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page) == page, "write the table anew: make readme"


def test_the_table_has_five_columns() -> None:
    rows = [line for line in table().splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {2 + len(COLUMNS)} == {6}


def test_the_picture_is_drawn_from_what_the_published_records_give() -> None:
    drawn = points_in(PICTURE.read_text(encoding="utf-8"))
    assert [one["model"] for one in drawn] == [one["model"] for one in points()]
    for then, now in zip(drawn, points(), strict=True):
        for metric in ("nll", "knn_1000"):
            assert then[metric] == pytest.approx(now[metric]), f"{now['model']}: draw the picture anew: make readme"


def test_a_picture_of_other_numbers_is_another_picture() -> None:
    other = copy.deepcopy(points())
    other[0]["nll"][0] += 1.0
    assert points_in(picture(other).decode()) == other
    assert picture(other) != picture(points())
    assert picture(points()) == picture(points())


def test_the_readme_shows_the_picture_and_says_what_is_in_it() -> None:
    assert f"]({PICTURE.relative_to(PAGE.parent).as_posix()})" in PAGE.read_text(encoding="utf-8")
