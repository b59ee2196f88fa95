"""Titles, order, and bytes that depend on nothing but what is drawn."""

import matplotlib as mpl
import pytest
from matplotlib.figure import Figure

from mae_bench.report.figures.drawing import SETTINGS, by_model, caption_title, model_title
from mae_bench.report.style import render, style


@pytest.mark.parametrize(
    ("model", "title"),
    [
        ("mae[eta=2.0,gamma=0.1]", "MAE η=2.0, γ=0.1"),
        ("mae[diversity=mean]", "MAE η=1.0, γ=0.5, diversity mean"),
        ("vlae", "VLAE with free bits 0.01"),
        ("vlae[free_bits=0.0]", "VLAE without free bits"),
        ("resnet_vae", "ResNet VAE"),
        ("pca", "pca[components=32]"),
    ],
)
def test_models_of_the_paper_have_its_names(add, board_of, model, title):
    add(model, weights=False)
    assert [model_title(row) for row in board_of().rows] == [title]


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("mae", {"eta": 1.0}),
        ("mae", {"eta": "x", "gamma": 0.5, "diversity": "paper"}),
        ("vlae", {"free_bits": None}),
        ("resnet_vae", {"depth": 3}),
    ],
)
def test_a_model_that_only_shares_a_name_keeps_its_label(store, make_record, board_of, model, params):
    store.save(make_record(model, params=params))
    (row,) = board_of().rows
    assert model_title(row) == row.label != model


def test_two_codes_of_one_label_keep_what_tells_them_apart(store, make_record, board_of):
    for source in ("a", "b"):
        store.save(make_record("resnet_vae", source=source * 64))
    assert {model_title(row) for row in board_of().rows} == {
        "resnet_vae (adapter code aaaaaaaa)",
        "resnet_vae (adapter code bbbbbbbb)",
    }


def test_the_order_is_the_papers_whatever_the_scores(add, board_of):
    in_order = ["resnet_vae", "vlae[free_bits=0.0]", "vlae", "mae[eta=0.5,gamma=0.1]", "mae[eta=2.0,gamma=0.1]"]
    in_order += ["mae[eta=0.5,gamma=1.0]", "mae[diversity=mean,gamma=0.1]", "pca", "raw_pixels"]
    for place, model in enumerate(in_order):
        add(model, weights=False, metrics={"nll": 20.0 - place})
    rows = board_of().rows
    assert [row.cells["nll"].mean for row in by_model(rows)] == [20.0 - place for place in range(9)]


def test_a_title_names_seeds_and_epochs(add, board_of):
    records = add("mae", (3, 1), weights=False, training=lambda seed: {"epochs": 10 * seed})
    assert caption_title("Lines", board_of(), records) == (
        "Lines: digits, preset smoke, seeds 1, 3, trained for 10 to 30 epochs"
    )
    assert (
        caption_title("Lines", board_of(), records[:1]) == "Lines: digits, preset smoke, seed 3, trained for 30 epochs"
    )


def test_a_title_says_nothing_of_epochs_of_models_that_have_none(add, board_of):
    without = add("pca", (1,), weights=False, training={"epochs": 0})
    trained = add("mae", (3,), weights=False, training={"epochs": 2})
    assert caption_title("Lines", board_of(), without) == "Lines: digits, preset smoke, seed 1"
    assert caption_title("Lines", board_of(), [*without, *trained]).endswith("seeds 1, 3, trained for 2 epochs")


@pytest.mark.parametrize("file_format", ["png", "svg"])
def test_the_same_figure_gives_the_same_bytes_without_date_and_version(file_format):
    def drawn():
        with style(SETTINGS):
            figure = Figure()
            figure.subplots().plot([1, 2], label="$x_{")  # mathematics to matplotlib, if it were allowed to look
            figure.legend()
            return render(figure, file_format)

    first = drawn()
    with mpl.rc_context({"lines.linewidth": 9.0}):
        assert drawn() == first
    assert mpl.__version__.encode() not in first
    assert b"date" not in first.lower()
