"""Exponents are fitted right, growth beyond arithmetic is reported, plots do not change by themselves."""

import pytest

from benchmarks.scaling import FOLDER, SWEEPS, Point, Sweep, draw, excesses, exponent, read_points, table

SWEEP = Sweep("batch", "images", "training step", (1, 2, 4, 8), 1, 0)


def grown(power: float, constant: float = 0.0, memory: float = 0.0) -> list[Point]:
    return [Point(value, constant + 0.5 * value**power, 100.0 * value**memory) for value in (4, 1, 2, 8)]


@pytest.mark.parametrize("power", [0, 1, 1.5, 2])
def test_the_exponent_of_a_power_is_found(power):
    assert exponent(grown(power), "seconds") == pytest.approx(power)


def test_what_is_constant_is_left_out_by_fitting_the_largest():
    points = [Point(1, 50.0, 1.0), Point(2, 2.0, 1.0), Point(4, 4.0, 1.0), Point(8, 8.0, 1.0)]
    assert exponent(points, "seconds") == pytest.approx(1)


def test_growth_as_predicted_or_slower_is_no_fault():
    assert excesses(SWEEP, grown(1.05)) == []
    assert excesses(SWEEP, grown(1, constant=3.0)) == []


def test_growth_beyond_arithmetic_is_named():
    assert excesses(SWEEP, grown(1.5)) == ["seconds of batch grow with exponent 1.50; arithmetic gives 1"]
    assert excesses(SWEEP, grown(1, memory=0.5)) == ["mebibytes of batch grow with exponent 0.50; arithmetic gives 0"]


def test_a_plot_is_the_same_each_time_and_shows_the_points(tmp_path):
    draw(SWEEP, grown(1), tmp_path / "one.svg")
    draw(SWEEP, grown(1), tmp_path / "two.svg")
    draw(SWEEP, grown(2), tmp_path / "other.svg")
    one, two, other = ((tmp_path / f"{name}.svg").read_text() for name in ("one", "two", "other"))
    assert one == two
    assert one != other
    assert all(text in one for text in ("training step", "images", "seconds", "memory, MiB", "exponent 1"))


def test_the_page_about_speed_shows_what_was_measured():
    page = (FOLDER.parent / "speed.md").read_text(encoding="utf-8")
    measured = read_points(FOLDER / "scaling.json")
    assert table(measured) in page
    for sweep in SWEEPS:
        assert excesses(sweep, measured[sweep.name]) == []
        assert f"](speed/{sweep.name}.svg)" in page
        assert (FOLDER / f"{sweep.name}.svg").exists()
