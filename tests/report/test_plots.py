"""Plots: the points are the records' numbers."""

from dataclasses import replace
from statistics import fmean, stdev

import pytest

from mae_bench.boards.aggregate import boards
from mae_bench.planning.task import ReportedRow
from mae_bench.report.plots import MOST_ROWS, Point, Series, board_plots, score_against_kl
from mae_bench.report.training_plots import training_by_seed

NLL, KL, KNN = (20.0, 20.5, 21.5), (3.0, 3.5, 3.25), (0.5, 0.625, 0.75)
RE = (17.5, 17.25, 18.0)


@pytest.fixture
def board(make_record, digits_task):
    """A board of one model with three seeds and two reported rows."""
    reported = (
        ReportedRow(
            model="IAF",
            citation="x",
            metrics={"nll": 19.0, "kl": 9.0, "reconstruction_error": 12.0, "knn_all": 0.9, "svm_linear_100": 0.4},
        ),
        ReportedRow(model="NADE", citation="x", metrics={"nll": 18.0}),
    )
    records = []
    for seed in range(3):
        metrics = {
            "nll": NLL[seed],
            "kl": KL[seed],
            "reconstruction_error": RE[seed],
            "knn_100": KNN[seed],
            "knn_all": 0.875,
            "linear_100": 0.25,
            "svm_linear_all": 0.5,
        }
        samples = {1: 25.0 + seed, 4: 24.0} | ({16: 23.0} if seed else {})
        records.append(make_record("mae", seed, metrics, nll_by_samples=samples))
    (board,) = boards(records, [digits_task.model_copy(update={"reported": reported})])
    return board


@pytest.fixture
def plots(board):
    """Its plots by key."""
    return {plot.key: plot for plot in board_plots(board)}


def test_rate_and_distortion(plots):
    plot = plots["rate-distortion"]
    measured, reported = plot.series
    (point,) = measured.points
    assert (point.x, point.y) == pytest.approx((fmean(KL), fmean(RE))) and plot.sums
    assert (point.x_error, point.y_error) == pytest.approx((stdev(KL), stdev(RE)))
    assert (measured.look, measured.name) == ("mae", "MAE") and reported.look == "reported"
    assert reported.points == (Point(9.0, 12.0),)


def test_representation_against_likelihood_by_the_probe_of_few_labels(plots):
    plot = plots["representation"]
    (point,) = plot.series[0].points
    assert (point.x, point.y) == pytest.approx((fmean(NLL), 100 * fmean(KNN)))
    assert (point.x_error, point.y_error) == pytest.approx((stdev(NLL), 100 * stdev(KNN)))
    assert plot.x_label == "NLL, nats" and plot.y_label == "KNN 100, accuracy in %"


def test_a_board_of_very_many_rows_shows_the_best(board):
    many = replace(board, rows=tuple(replace(board.rows[0], label=f"m{n}") for n in range(MOST_ROWS + 5)))
    for plot in board_plots(many):
        labels = [series.label for series in plot.series if series.look != "reported"]
        assert labels == [f"m{n}" for n in range(MOST_ROWS)]


def test_score_against_kl(board):
    plot = score_against_kl(board)
    measured, reported = plot.series
    (point,) = measured.points
    assert (point.x, point.y) == pytest.approx((fmean(KL), fmean(NLL)))
    assert (point.x_error, point.y_error) == pytest.approx((stdev(KL), stdev(NLL)))
    assert reported == Series("IAF (reported)", (Point(9.0, 19.0),), "reported", "IAF (reported)", "reported-1")
    assert plot.rows == (("MAE", "3.25 ± 0.25", "20.67 ± 0.76"), ("IAF (reported)", "9.00", "19.00"))


def test_probes_by_family_in_per_cent(plots):
    knn = plots["probe-knn"]
    assert knn.ticks == {0: "100", 1: "all"} and plots["probe-svm-linear"].ticks == {0: "all"}
    measured, reported = knn.series
    assert [(point.x, point.y) for point in measured.points] == [(0, pytest.approx(62.5)), (1, 87.5)]
    assert [point.y_error for point in measured.points] == [pytest.approx(100 * stdev(KNN)), 0.0]
    assert reported.look == "reported" and reported.points == (Point(1, 90.0),)
    assert knn.rows[1] == ("IAF (reported)", "–", "90.0")
    assert plots["probe-linear"].ticks == {0: "100"} and len(plots["probe-linear"].series) == 1


def test_samples_that_every_seed_has(plots):
    plot = plots["nll-samples"]
    (series,) = plot.series
    assert plot.ticks == {1: "1", 4: "4"}
    assert series.points == (Point(1, 26.0, None, 1.0), Point(4, 24.0, None, 0.0))
    assert plot.rows == (("MAE", "26.0 ± 1.0", "24.00 ± 0"),)


def test_a_number_beyond_all_measure_is_not_drawn(make_record, digits_task):
    records = [make_record("mae", 0, {"nll": 1e300, "kl": 1.0}, nll_by_samples={1: -1e300, 4: 20.0})]
    (board,) = boards(records, [digits_task])
    (plot,) = board_plots(board)
    assert plot.key == "nll-samples" and plot.ticks == {4: "4"}
    assert not training_by_seed(records, "training").has_points
