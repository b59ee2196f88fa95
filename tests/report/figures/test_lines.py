"""Lines and points are the numbers of the records."""

from statistics import fmean, stdev

import numpy as np
import pytest

from mae_bench.report.figures.drawing import NothingToDraw, looks
from mae_bench.report.figures.lines import draw_kl_score, draw_nll_samples, draw_training

pytestmark = pytest.mark.usefixtures("figure_style")
MAE, VLAE, RESNET = "MAE η=1.0, γ=0.5", "VLAE with free bits 0.01", "ResNet VAE"


def lines_of(axes):
    return {line.get_label(): line for line in axes.lines}


def band_at(collection, x):
    (path,) = collection.get_paths()
    ys = path.vertices[path.vertices[:, 0] == x][:, 1]
    return min(ys), max(ys)


def test_nll_against_samples_is_the_mean_over_seeds_with_its_deviation(add, board_of):
    by_seed = {0: {1: 22.0, 4: 21.0, 16: 20.5}, 1: {1: 23.0, 4: 21.5, 16: 20.0}, 2: {1: 24.0, 4: 21.1, 16: 20.1}}
    add("mae", tuple(by_seed), weights=False, nll_by_samples=by_seed.get)
    add("resnet_vae", (0,), weights=False, nll_by_samples={1: 30.0, 4: 29.0})
    drawing = draw_nll_samples(board_of())
    (axes,) = drawing.figure.axes
    assert axes.get_xscale() == "log"
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "4", "16"]
    lines = lines_of(axes)
    assert list(lines) == [RESNET, MAE]
    assert lines[RESNET].get_xydata().tolist() == [[1, 30], [4, 29]]
    assert lines[MAE].get_xdata().tolist() == [1, 4, 16]
    values = {k: [of_seed[k] for of_seed in by_seed.values()] for k in (1, 4, 16)}
    assert lines[MAE].get_ydata() == pytest.approx([fmean(values[k]) for k in (1, 4, 16)])
    (band,) = axes.collections  # one seed has none
    for k in (1, 4, 16):
        mean, std = fmean(values[k]), stdev(values[k])
        assert band_at(band, k) == pytest.approx((mean - std, mean + std))
    assert drawing.title.endswith("digits, preset smoke, seeds 0, 1, 2, trained for 2 epochs")
    assert len(drawing.records) == 4 and drawing.line_work


def test_the_score_against_kl_has_a_point_a_model_and_a_line_a_gamma(add, board_of):
    points = {
        "mae[eta=0.5,gamma=0.1]": (5.0, 20.0),
        "mae[eta=2.0,gamma=0.1]": (7.0, 22.0),
        "mae[eta=1.0,gamma=0.1]": (6.0, 21.0),
        "mae[eta=1.0,gamma=0.5]": (6.5, 20.5),
        "vlae": (4.0, 23.0),
    }
    for model, (kl, nll) in points.items():
        add(model, (0, 1), weights=False, metrics=lambda seed, kl=kl, nll=nll: {"kl": kl + seed, "nll": nll + 3 * seed})
    add("raw_pixels", weights=False, metrics={"nll": 1.0})
    drawing = draw_kl_score(board_of())
    (axes,) = drawing.figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("KL, nats", "NLL, nats")
    lines = lines_of(axes)
    means = {(kl + 0.5, nll + 1.5) for kl, nll in points.values()}
    marks = [line for label, line in lines.items() if not label.startswith("_")]
    assert {tuple(line.get_xydata()[0]) for line in marks} == means
    assert lines["MAE η=0.5, γ=0.1"].get_xydata().tolist() == [[5.5, 21.5]]
    joined = [line.get_xydata().tolist() for label, line in lines.items() if label.startswith("_")]
    assert [[5.5, 21.5], [6.5, 22.5], [7.5, 23.5]] in joined
    spans = [np.ptp(segment, axis=0) for bars in axes.collections for segment in bars.get_segments()]
    deviations = {(round(x, 6), round(y, 6)) for x, y in spans}
    assert deviations == {(round(2 * stdev([0, 1]), 6), 0.0), (0.0, round(2 * stdev([0, 3]), 6))}
    assert drawing.left_out == ("raw_pixels lacks both KL and score",)


def test_natural_images_have_bits_a_dimension(add, board_of, cifar10_task):
    add("vlae", of=cifar10_task, weights=False, metrics={"kl": 300.0, "nll": 9000.0, "bits_per_dim": 4.5})
    (axes,) = draw_kl_score(board_of(cifar10_task)).figure.axes
    assert axes.get_ylabel() == "bits/dim"
    assert lines_of(axes)[VLAE].get_xydata().tolist() == [[300.0, 4.5]]


def test_training_curves_are_those_of_the_records_as_far_as_all_seeds_go(add, board_of, training_curve):
    add(
        "mae",
        (0, 1),
        weights=False,
        training=lambda seed: {"epochs": 3 + seed, "curve": training_curve(3 + seed, start=2.0 * seed)},
    )
    add("raw_pixels", weights=False)
    drawing = draw_training(board_of())
    expected = {
        "validation -ELBO": [40.0, 39.0, 38.0],
        "reconstruction error in training": [30.0, 29.0, 28.0],
        "KL in training": [2.0, 3.0, 4.0],
    }
    assert [axes.get_title() for axes in drawing.figure.axes] == list(expected)
    for axes in drawing.figure.axes:
        line = lines_of(axes)[MAE]
        assert line.get_xdata().tolist() == [1, 2, 3]
        assert line.get_ydata().tolist() == expected[axes.get_title()]
        (band,) = axes.collections
        below, above = band_at(band, 2)
        assert above - below == pytest.approx(2 * stdev([0.0, 2.0]))
    assert drawing.title.endswith("seeds 0, 1, trained for 3 to 4 epochs")
    assert drawing.left_out == ("raw_pixels lacks a training curve",)


@pytest.mark.parametrize(
    ("draw", "reason"),
    [
        (draw_nll_samples, "no model has an NLL"),
        (draw_kl_score, "no model has both KL and score"),
        (draw_training, "no model has a training curve"),
    ],
)
def test_without_numbers_there_is_nothing_to_draw(add, board_of, draw, reason):
    add("raw_pixels", weights=False, metrics={"knn_100": 0.5, "kl": (None, None, "not finite")}, nll_by_samples={})
    with pytest.raises(NothingToDraw, match=f"^{reason}$"):
        draw(board_of())


def test_numbers_beyond_all_axes_are_not_drawn(add, board_of):
    add("mae", weights=False, metrics={"kl": 1e300, "nll": 20.0}, nll_by_samples={1: 1e300, 4: 20.0})
    (axes,) = draw_nll_samples(board_of()).figure.axes
    assert lines_of(axes)[MAE].get_xydata().tolist() == [[4.0, 20.0]]
    with pytest.raises(NothingToDraw):
        draw_kl_score(board_of())


def test_no_two_models_look_alike_and_a_gamma_has_one_colour(add, board_of):
    add("mae[eta=[0.5,1.0,2.0],gamma=[0.1,0.5,1.0]],mae[diversity=mean],vlae[free_bits=[0.0,0.01]]", weights=False)
    add("resnet_vae", weights=False)
    found = looks(board_of().rows)
    assert len(found) == 13
    assert len({tuple(look.values()) for look in found.values()}) == 13
    assert len({(look["color"], look["marker"]) for look in found.values()}) == 13
    for gamma in (0.1, 0.5, 1.0):
        of_gamma = [look for label, look in found.items() if "diversity=paper" in label and f"gamma={gamma}]" in label]
        assert len({look["color"] for look in of_gamma}) == 1 and len({look["marker"] for look in of_gamma}) == 3
