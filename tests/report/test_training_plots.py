"""Plots of training: the points are the records' numbers."""

from mae_bench.report.plots import Point
from mae_bench.report.training_plots import training_by_seed


def test_training_shows_what_was_shown_beside_what_was_held_out(make_record):
    curve = [
        {"epoch": n, "step": n, "learning_rate": 0.1, "validation_negative_elbo": 30.0 - n}
        | {"train": {"loss": 99.0, "reconstruction_error": 20.0 - n, "kl": 5.0} if n > 1 else {}}
        for n in (1, 2)
    ]
    plot = training_by_seed([make_record(seed=4, training={"curve": curve})], "training")
    held_out, shown = plot.series
    assert held_out.points == (Point(1, 29.0), Point(2, 28.0)) and held_out.look == "seed-0"
    assert shown.points == (Point(2, 23.0),) and shown.look == "seed-0 training"
    assert plot.headings == ("epoch", "seed 4, validation", "seed 4, training")
    assert plot.rows == (("1", "29.00", "–"), ("2", "28.00", "23.00"))


def test_a_model_that_is_validated_by_its_own_loss_shows_that(make_record):
    row = {"epoch": 1, "step": 1, "learning_rate": None, "train": {"loss": 5.0}}
    row |= {"validation_negative_elbo": None, "validation_loss": 4.0}
    plot = training_by_seed([make_record(seed=4, training={"curve": [row]})], "training")
    assert [series.points for series in plot.series] == [(Point(1, 4.0),), (Point(1, 5.0),)]
    assert plot.title == "Training: own loss after each epoch" and plot.y_label == "own loss"
