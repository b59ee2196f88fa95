"""Plots: the points are the records' numbers, and the drawing puts them where they belong."""

import re
from statistics import fmean, stdev
from xml.etree import ElementTree

import pytest

from mae_bench.records.aggregate import boards
from mae_bench.report.html.drawing import draw, draw_key
from mae_bench.report.html.plots import Plot, Point, Series, board_plots, training_plot
from mae_bench.task import ReportedRow

NLL, KL, KNN = (20.0, 20.5, 21.5), (3.0, 3.5, 3.25), (0.5, 0.625, 0.75)


@pytest.fixture
def plots(make_record, digits_task):
    """The plots of a board of one model with three seeds and two reported rows, by key."""
    reported = (
        ReportedRow(model="IAF", citation="x", metrics={"nll": 19.0, "kl": 9.0, "knn_all": 0.9, "svm_linear_100": 0.4}),
        ReportedRow(model="NADE", citation="x", metrics={"nll": 18.0}),
    )
    records = []
    for seed in range(3):
        metrics = {
            "nll": NLL[seed],
            "kl": KL[seed],
            "knn_100": KNN[seed],
            "knn_all": 0.875,
            "linear_100": 0.25,
            "svm_linear_all": 0.5,
        }
        samples = {1: 25.0 + seed, 4: 24.0} | ({16: 23.0} if seed else {})
        records.append(make_record("mae", seed, metrics, nll_by_samples=samples))
    (board,) = boards(records, [digits_task.model_copy(update={"reported": reported})])
    return {plot.key: plot for plot in board_plots(board)}


def test_score_against_kl(plots):
    measured, reported = plots["score-kl"].series
    (point,) = measured.points
    assert (point.x, point.y) == pytest.approx((fmean(KL), fmean(NLL)))
    assert (point.x_error, point.y_error) == pytest.approx((stdev(KL), stdev(NLL)))
    assert reported == Series("IAF (reported)", (Point(9.0, 19.0),), None)
    assert plots["score-kl"].rows == (("mae", "3.25 ± 0.25", "20.67 ± 0.76"), ("IAF (reported)", "9.00", "19.00"))


def test_probes_by_family_in_per_cent(plots):
    knn = plots["probe-knn"]
    assert knn.ticks == ("100", "all") and plots["probe-svm-linear"].ticks == ("all",)
    measured, reported = knn.series
    assert [(point.x, point.y) for point in measured.points] == [(0, pytest.approx(62.5)), (1, 87.5)]
    assert [point.y_error for point in measured.points] == [pytest.approx(100 * stdev(KNN)), 0.0]
    assert reported.style is None and reported.points == (Point(1, 90.0),)
    assert knn.rows[1] == ("IAF (reported)", "–", "90.0")
    assert plots["probe-linear"].ticks == ("100",) and len(plots["probe-linear"].series) == 1


def test_samples_that_every_seed_has(plots):
    plot = plots["nll-samples"]
    (series,) = plot.series
    assert plot.ticks == ("1", "4")
    assert series.points == (Point(0, 26.0, 0.0, 1.0), Point(1, 24.0, 0.0, 0.0))
    assert plot.rows == (("mae", "26.00 ± 1.00", "24.00 ± 0.00"),)


def test_a_number_beyond_all_measure_is_not_drawn(make_record, digits_task):
    records = [make_record("mae", 0, {"nll": 1e300, "kl": 1.0}, nll_by_samples={1: -1e300, 4: 20.0})]
    (board,) = boards(records, [digits_task])
    (plot,) = board_plots(board)
    assert plot.key == "nll-samples" and plot.ticks == ("4",)
    assert training_plot(records, "training").series[0].points == ()


def plot_of(*series, ticks=(), joined=False):
    return Plot("key", "A title", "What it shows & how", "x", "y", ticks, joined, series, ("model",), ())


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
        assert {"x", "y", "1", "all"} <= texts and root.find("desc").text == "What it shows & how"
        assert any("var(--series-3)" in element.attrib.values() for element in root.iter())
        assert any("var(--muted)" in element.attrib.values() for element in root.iter())


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
