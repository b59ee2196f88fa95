"""Drawings on pages: marks lie where their numbers belong, in the colours of the page."""

import re
from xml.etree import ElementTree

import pytest

from mae_bench.report.html.drawing import describe, draw, draw_key
from mae_bench.report.plots import Plot, Point, Series


def plot_of(*series, ticks=(), joined=False):
    words = dict(enumerate(ticks))
    return Plot("key", "A title", "What it shows & how.", "x", "y", series, ("model",), ticks=words, joined=joined)


def marks(svg):
    """(x, y) of every mark of a series, in the drawing's units, where y grows downwards."""
    found = re.findall(r'z" transform="translate\(([\d.]+) ([\d.]+)\)" stroke="var\(--series-0\)"', svg)
    return [(float(x), float(y)) for x, y in found]


def test_marks_lie_where_their_numbers_say():
    points = (Point(1.0, 10.0), Point(2.0, 30.0), Point(4.0, 20.0))
    (x1, y1), (x2, y2), (x4, y3) = marks(draw(plot_of(Series("a", points, 0))))
    assert (x4 - x1) / (x2 - x1) == pytest.approx(3.0, abs=0.01)
    assert y2 < y3 < y1 and (y1 - y3) / (y1 - y2) == pytest.approx(0.5, abs=0.01)


def test_error_bars_are_as_long_as_their_numbers():
    svg = draw(plot_of(Series("a", (Point(1.0, 10.0), Point(2.0, 20.0, 0.0, 5.0)), 0)))
    (_, y1), (_, y2) = marks(svg)
    found = re.findall(r'd="M ([\d.]+) ([\d.]+) L \1 ([\d.]+)"[^>]*series-0', svg)
    bars = [abs(float(start) - float(end)) for _, start, end in found]
    assert max(bars) == pytest.approx(y1 - y2, abs=0.05)


def test_a_drawing_takes_its_colours_from_the_page_and_shares_no_identifier():
    series = (Series("<b>", (Point(0, 1.0, 0.1, 0.1), Point(1, 2.0)), 3), Series("r", (Point(0, 2.0),), None))
    for joined in (True, False):
        root = ElementTree.fromstring(draw(plot_of(*series, ticks=("1", "all"), joined=joined)))
        for element in root.iter():
            assert "style" not in element.attrib and element.tag not in ("style", "use", "defs", "metadata")
            assert all(
                element.get(name, "none") == "none" or element.get(name).startswith("var(--")
                for name in ("fill", "stroke")
            )
        assert [element.get("id") for element in root.iter() if element.get("id")] == ["key-title", "key-desc"]
        texts = {element.text for element in root.iter("text")}
        assert {"x", "y", "1", "all"} <= texts and root.find("desc").text.startswith("What it shows & how. ")
        assert any("var(--series-3)" in element.attrib.values() for element in root.iter())
        assert any("var(--muted)" in element.attrib.values() for element in root.iter())


def test_an_axis_of_words_is_evenly_spaced():
    series = Series("a", (Point(1, 10.0), Point(4, 20.0), Point(4096, 30.0)), 0)
    ticks = {1: "1", 4: "4", 4096: "4096"}
    svg = draw(Plot("key", "A title", "What it shows.", "x", "y", (series,), ticks=ticks))
    (x1, _), (x2, _), (x3, _) = marks(svg)
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.02)
    assert re.search(r">4096</text>", svg)


def test_the_description_explains_the_marks_that_are_drawn_and_no_others():
    bare, barred = Series("a", (Point(1.0, 10.0),), 0), Series("a", (Point(1.0, 10.0, None, 0.5),), 0)
    reported = Series("r", (Point(2.0, 20.0),), None)
    bars = "Bars are one standard deviation over seeds."
    assert describe(plot_of(bare)) == "What it shows & how."
    assert describe(plot_of(barred)) == f"What it shows & how. {bars}"
    assert describe(plot_of(barred, reported)).endswith(f" {bars} Hollow grey diamonds are reported by others.")
    assert describe(plot_of(bare, reported, joined=True)).endswith("how. Dashed grey lines are reported by others.")


def test_the_same_plot_gives_the_same_bytes_whatever_style_the_user_has():
    import matplotlib as mpl

    plot = plot_of(Series("a", (Point(1.0, 10.0), Point(2.0, 30.0)), 0), joined=True)
    before = draw(plot)
    with mpl.rc_context({"font.size": 30, "axes.linewidth": 9, "axes.xmargin": 0.4, "svg.hashsalt": None}):
        assert draw(plot) == before
        assert mpl.rcParams["font.size"] == 30


def test_series_differ_in_more_than_colour():
    keys = [draw_key(style, True) for style in range(56)]
    assert len(set(keys)) == 56
    assert len({re.sub(r"--series-\d", "", key) for key in keys[:8]}) == 8
    assert "dasharray" in draw_key(None, True) and draw_key(None, True) not in keys
