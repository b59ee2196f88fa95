"""Plots: the points are the records' numbers."""

from statistics import fmean, stdev

import pytest

from mae_bench.boards.aggregate import boards
from mae_bench.planning.task import ReportedRow
from mae_bench.report.plots import Point, Series, board_plots, training_by_seed

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
    assert knn.ticks == {0: "100", 1: "all"} and plots["probe-svm-linear"].ticks == {0: "all"}
    measured, reported = knn.series
    assert [(point.x, point.y) for point in measured.points] == [(0, pytest.approx(62.5)), (1, 87.5)]
    assert [point.y_error for point in measured.points] == [pytest.approx(100 * stdev(KNN)), 0.0]
    assert reported.style is None and reported.points == (Point(1, 90.0),)
    assert knn.rows[1] == ("IAF (reported)", "–", "90.0")
    assert plots["probe-linear"].ticks == {0: "100"} and len(plots["probe-linear"].series) == 1


def test_samples_that_every_seed_has(plots):
    plot = plots["nll-samples"]
    (series,) = plot.series
    assert plot.ticks == {1: "1", 4: "4"}
    assert series.points == (Point(1, 26.0, None, 1.0), Point(4, 24.0, None, 0.0))
    assert plot.rows == (("mae", "26.00 ± 1.00", "24.00 ± 0.00"),)


def test_a_number_beyond_all_measure_is_not_drawn(make_record, digits_task):
    records = [make_record("mae", 0, {"nll": 1e300, "kl": 1.0}, nll_by_samples={1: -1e300, 4: 20.0})]
    (board,) = boards(records, [digits_task])
    (plot,) = board_plots(board)
    assert plot.key == "nll-samples" and plot.ticks == {4: "4"}
    assert not training_by_seed(records, "training").has_points
