"""Drawings on pages: marks lie where their numbers belong, in the colours of the page, and say whose they are."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from mae_bench.report.html.drawing import LOOKS, describe, draw, draw_strip, key_of, nice_ticks
from mae_bench.report.plots import Plot, Point, Series
from mae_bench.report.systems import FAMILIES

STYLE = (Path(__file__).parents[3] / "mae_bench/report/html/assets/style.css").read_text(encoding="utf-8")


def plotted(*series, ticks=None, joined=False, **more):
    return Plot(
        "key", "A title", "What it shows & how.", "x", "y", series, ("model",), ticks=ticks or {}, joined=joined, **more
    )


def of(label, points, look="mae", key="row-1"):
    return Series(label, points, look, label, key)


def marks(svg):
    """(x, y) of every mark, in the drawing's units, where y grows downwards."""
    found = re.findall(r'class="dot" d="[^"]*" transform="translate\(([\d.]+) ([\d.]+)\)"', svg)
    return [(float(x), float(y)) for x, y in found]


def test_marks_lie_where_their_numbers_say():
    points = (Point(1.0, 10.0), Point(2.0, 30.0), Point(4.0, 20.0))
    (x1, y1), (x2, y2), (x4, y3) = marks(draw(plotted(of("a", points))))
    assert (x4 - x1) / (x2 - x1) == pytest.approx(3.0, abs=0.01)
    assert y2 < y3 < y1 and (y1 - y3) / (y1 - y2) == pytest.approx(0.5, abs=0.01)


def test_the_numbers_at_the_axes_lie_where_marks_of_these_numbers_do():
    svg = draw(plotted(of("a", tuple(Point(float(n), 10.0 * n) for n in range(5)))))
    at = dict(zip(range(5), marks(svg), strict=True))
    columns = re.findall(r'class="middle" x="([\d.]+)" y="[\d.]+">(\d)<', svg)
    rows = re.findall(r'class="end" x="[\d.]+" y="([\d.]+)">(\d+)<', svg)
    assert len(columns) == len(rows) == 5
    assert all(float(x) == pytest.approx(at[int(text)][0], abs=0.06) for x, text in columns)
    assert all(float(y) - 4 == pytest.approx(at[int(text) // 10][1], abs=0.06) for y, text in rows)


def test_error_bars_are_as_long_as_their_numbers():
    svg = draw(plotted(of("a", (Point(1.0, 10.0), Point(2.0, 20.0, 0.5, 5.0)))))
    (x1, y1), (x2, y2) = marks(svg)
    (bars,) = re.findall(r'class="bars" d="([^"]*)"', svg)
    (across,) = re.findall(r"M([\d.]+) [\d.]+H([\d.]+)", bars)
    (upright,) = re.findall(r"M[\d.]+ ([\d.]+)V([\d.]+)", bars)
    assert float(across[1]) - float(across[0]) == pytest.approx(x2 - x1, abs=0.15)
    assert float(upright[1]) - float(upright[0]) == pytest.approx(y1 - y2, abs=0.15)


def test_a_thin_line_joins_the_places_of_one_sum():
    points = (Point(0.0, 0.0), Point(10.0, 10.0), Point(2.0, 8.0), Point(7.0, 3.0))
    svg = draw(plotted(of("a", points), sums=True))
    _, _, (x1, y1), (x2, y2) = marks(svg)
    texts = re.findall(r'class="end iso" [^>]*>([\d.]+)<', svg)
    lines = re.findall(r'class="iso" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"', svg)
    ends = dict(zip(texts, lines, strict=True))["10"]
    left, top, right, bottom = map(float, ends)
    for x, y in ((x1, y1), (x2, y2)):
        assert top + (x - left) / (right - left) * (bottom - top) == pytest.approx(y, abs=0.2)


def test_every_mark_says_whose_it_is():
    svg = draw(plotted(of("<MAE>", (Point(1.0, 85.256, None, 0.25),), key="mae-1")))
    assert '<g class="series look-mae" data-row="mae-1">' in svg
    assert "<title>&lt;MAE&gt;: x 1; y 85.26 ± 0.25</title>" in svg


def test_a_drawing_takes_its_colours_from_the_page_and_shares_no_identifier():
    series = (of("<b>", (Point(0, 1.0, 0.1, 0.1), Point(1, 2.0)), "flow"), of("r", (Point(0, 2.0),), "reported"))
    for joined in (True, False):
        root = ElementTree.fromstring(draw(plotted(*series, ticks={0: "1", 1: "all"}, joined=joined)))
        for element in root.iter():
            assert not {"style", "fill", "stroke"} & element.attrib.keys()
            assert element.tag in ("svg", "g", "path", "text", "title", "desc")
        assert [element.get("id") for element in root.iter() if element.get("id")] == ["key-title", "key-desc"]
        texts = {element.text for element in root.iter("text")}
        assert {"x", "y", "1", "all"} <= texts and root.find("desc").text.startswith("What it shows & how. ")


def test_an_axis_of_words_is_evenly_spaced():
    svg = draw(plotted(of("a", (Point(1, 10.0), Point(4, 20.0), Point(4096, 30.0))), ticks={1: "1", 4: "4", 4096: "K"}))
    (x1, _), (x2, _), (x3, _) = marks(svg)
    assert x2 - x1 == pytest.approx(x3 - x2, abs=0.11)
    assert re.search(r">K</text>", svg)


def test_yardsticks_stretch_no_axis_and_are_named_where_they_lie_beyond_it():
    model, near, far = (
        of(name, (Point(0.0, y), Point(1.0, y + 10))) for name, y in (("m", 80.0), ("n", 80.2), ("f", 9.0))
    )
    near, far = (Series(one.label, one.points, "yardstick", one.name, one.name) for one in (near, far))
    alone, together = draw(plotted(model)), draw(plotted(model, near, far))
    assert marks(alone) == marks(together)[:2] and len(marks(together)) == 4
    assert describe(plotted(model, near, far)).endswith("Beyond the axes, and not drawn: f.")
    assert len(marks(draw(plotted(near, far)))) == 4


def test_the_description_explains_the_marks_that_are_drawn_and_no_others():
    bare, barred = of("a", (Point(1.0, 10.0),)), of("a", (Point(1.0, 10.0, None, 0.5),))
    reported = of("r", (Point(2.0, 20.0),), "reported")
    bars = "Bars are one standard deviation over seeds."
    assert describe(plotted(bare)) == "What it shows & how."
    assert describe(plotted(barred)) == f"What it shows & how. {bars}"
    assert describe(plotted(barred, reported)).endswith(f" {bars} Hollow grey diamonds are reported by others.")
    assert describe(plotted(bare, reported, joined=True)).endswith("how. Thin grey lines are reported by others.")


def test_families_differ_in_more_than_colour_and_have_one_in_the_style():
    shapes = [LOOKS[family] for family in FAMILIES]
    assert len(set(shapes)) == len(FAMILIES)
    colours = {look: re.search(rf"\.look-{look}\b[^{{]*{{ color: (var\(--[\w-]+\))", STYLE) for look in LOOKS}
    assert all(colours.values()), colours
    assert len({colours[family][1] for family in FAMILIES}) == len(FAMILIES)
    assert all(f"look-{look}" in key_of(look) for look in LOOKS)


def test_a_strip_has_a_stroke_for_every_row_in_its_place():
    svg = draw_strip([(10.0, "mae", "a"), (20.0, "flow", "b"), (15.0, "mae", "<c>")])
    strokes = re.findall(r'class="look-(\w+)" d="M([\d.]+) 4V18"><title>([^<]*)<', svg)
    assert [(look, name) for look, _, name in strokes] == [("mae", "a"), ("flow", "b"), ("mae", "&lt;c&gt;")]
    first, second, third = (float(x) for _, x, _ in strokes)
    assert third - first == pytest.approx(second - third, abs=0.11)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((0.0, 6.0), [0, 1, 2, 3, 4, 5, 6]),
        ((84.1, 92.9), [86, 88, 90, 92]),
        ((0.1571, 0.1633), [0.158, 0.16, 0.162]),
        ((-1.0, 1.0), [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_are_round_numbers(ends, expected):
    assert nice_ticks(*ends) == pytest.approx(expected)


def test_epochs_are_whole_numbers():
    svg = draw(plotted(of("a", (Point(1, 3.0), Point(2, 2.0))), whole=True))
    assert re.findall(r'class="middle" [^>]*>([\d.]+)<', svg) == ["1", "2"]
