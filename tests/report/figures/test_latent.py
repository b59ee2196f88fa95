"""The arrangement of the paper's Figure 5, and what t-SNE is given."""

import numpy as np
import pytest
import torch
from sklearn.manifold import trustworthiness

from mae_bench.data import NO_LABEL, load_data
from mae_bench.foundation.errors import MaeBenchError
from mae_bench.report.figures import latent
from mae_bench.report.figures.latent import arrange, class_colours, draw_tsne, embed, perplexity_of
from mae_bench.report.figures.trained import Answer

pytestmark = pytest.mark.usefixtures("figure_style")
PAPER_GRID = [[f"MAE η={eta}, γ={gamma}" for eta in (0.5, 1.0, 2.0)] for gamma in (0.1, 0.5, 1.0)]


@pytest.fixture
def arranged(add, trained_models):
    """`arranged(models)`: the arrangement, as rows of (title, label of the model there)."""

    def arranged(models):
        add(models)
        rows = arrange([Answer(model, np.zeros((1, 2))) for model in trained_models().models])
        return [[(title, answer and answer.model.row.label) for title, answer in row] for row in rows]

    return arranged


def test_the_arrangement_is_that_of_the_paper(arranged):
    rows = arranged("mae[eta=[0.5,1.0,2.0],gamma=[0.1,0.5,1.0]],vlae[free_bits=[0.01,0.0]],resnet_vae")
    assert rows[0] == [
        ("ResNet VAE", "resnet_vae"),
        ("VLAE without free bits", "vlae[free_bits=0.0]"),
        ("VLAE with free bits 0.01", "vlae[free_bits=0.01]"),
    ]
    assert [[title for title, _ in row] for row in rows[1:]] == PAPER_GRID
    assert rows[1][2][1] == "mae[diversity=paper,eta=2.0,gamma=0.1]"
    assert rows[3][0][1] == "mae[diversity=paper,eta=0.5,gamma=1.0]"


def test_missing_places_keep_their_names(arranged):
    rows = arranged("mae,mae[eta=2.0],vlae")
    assert rows[0] == [
        ("ResNet VAE", None),
        ("VLAE without free bits", None),
        ("VLAE with free bits 0.01", "vlae[free_bits=0.01]"),
    ]
    assert [[title for title, _ in row] for row in rows[1:]] == PAPER_GRID
    labels = [label for row in rows[1:] for _, label in row if label]
    assert labels == ["mae[diversity=paper,eta=1.0,gamma=0.5]", "mae[diversity=paper,eta=2.0,gamma=0.5]"]
    assert rows[2][1][1] is not None


def test_one_model_on_the_grid_of_the_paper_stands_alone(arranged):
    assert arranged("mae,vlae")[1:] == [[("MAE η=1.0, γ=0.5", "mae[diversity=paper,eta=1.0,gamma=0.5]")]]


def test_a_grid_away_from_the_papers_has_its_own_values(arranged):
    rows = arranged("mae[eta=0.5,gamma=1.5],mae[eta=4.0,gamma=2.0]")
    assert [[title for title, _ in row] for row in rows[1:]] == [
        ["MAE η=0.5, γ=1.5", "MAE η=4.0, γ=1.5"],
        ["MAE η=0.5, γ=2.0", "MAE η=4.0, γ=2.0"],
    ]
    assert [bool(label) for row in rows[1:] for _, label in row] == [True, False, False, True]


def test_all_other_models_follow_three_a_row(arranged):
    rows = arranged("mae[diversity=mean],vlae[free_bits=[0.01,0.1]],raw_pixels,pca")
    assert [[title for title, _ in row] for row in rows[1:]] == [
        ["VLAE with free bits 0.1", "MAE η=1.0, γ=0.5, diversity mean", "pca[components=32]"],
        ["raw_pixels"],
    ]


def test_neighbours_stay_neighbours():
    points = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    points[:30] += 10.0
    placed = embed(points, seed=0)
    assert placed.shape == (60, 2)
    assert trustworthiness(points, placed, n_neighbors=5) > 0.8
    distances = np.linalg.norm(placed[:, None] - placed, axis=-1)
    assert distances[:30, :30].max() < distances[:30, 30:].min()
    assert (embed(points, seed=0) == placed).all()


def test_one_dimension_is_laid_out_too():
    points = np.arange(20, dtype=np.float32)[:, None]
    placed = embed(points, seed=0)
    assert np.isfinite(placed).all()
    assert (embed(points, seed=0) == placed).all()


@pytest.mark.parametrize(
    ("representations", "fault"),
    [
        (np.full((20, 3), np.nan), "are not finite"),
        (np.ones((20, 3)), "are all the same"),
    ],
)
def test_what_cannot_be_laid_out_says_why(representations, fault):
    with pytest.raises(MaeBenchError, match=fault):
        embed(representations.astype(np.float32), seed=0)


@pytest.mark.parametrize(("images", "perplexity"), [(2000, 30), (91, 30), (60, 20), (4, 1), (2, 1)])
def test_the_perplexity_fits_the_images(images, perplexity):
    assert perplexity_of(images) == perplexity


def test_of_many_classes_the_most_frequent_have_colours():
    labels = np.repeat(np.arange(12), [9, 9, 9, 9, 9, 1, 9, 9, 9, 9, 2, 9])
    assert list(class_colours(labels)) == [0, 1, 2, 3, 4, 6, 7, 8, 9, 11]
    assert len(set(class_colours(labels).values())) == 10
    assert list(class_colours(np.array([3, 3, 1]))) == [1, 3]


def test_a_panel_shows_the_representation_of_the_test_images_in_the_colours_of_their_classes(
    add, trained_models, digits_task, monkeypatch
):
    monkeypatch.setattr(latent, "IMAGES", 40)
    add("raw_pixels")
    monkeypatch.setattr(latent, "embed", lambda representations, seed: representations[:, [20, 27]])
    models = trained_models()
    drawing = draw_tsne(models)
    data = load_data(digits_task, preset="smoke")
    indices = models.test_images(40, "t-SNE")
    panels = {axes.get_title(): axes for axes in drawing.figure.axes if axes.get_title()}
    (points,) = panels.pop("raw_pixels").collections
    bits = data.test.thresholded(torch.from_numpy(indices)).flatten(1).numpy()
    assert (points.get_offsets() == bits[:, [20, 27]]).all()
    labels = data.test_labels[indices]
    colours = points.get_facecolors()
    assert all((colours[labels == label] == colours[labels == label][0]).all() for label in set(labels))
    assert len({tuple(colour) for colour in colours}) == len(set(labels)) == 10
    assert list(panels) == ["ResNet VAE", "VLAE without free bits", "VLAE with free bits"]
    assert all([text.get_text() for text in axes.texts] == ["missing"] for axes in panels.values())
    (legend,) = drawing.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [str(label) for label in range(10)]


def test_without_labels_there_are_neither_colours_nor_a_legend(add, trained_models, monkeypatch):
    monkeypatch.setattr(latent, "IMAGES", 40)
    add("raw_pixels")
    monkeypatch.setattr(latent, "embed", lambda representations, seed: representations[:, [20, 27]])
    models = trained_models()
    models.gallery.data.test_labels[:] = NO_LABEL
    drawing = draw_tsne(models)
    assert drawing.figure.legends == []
    assert "class" not in drawing.caption
    [points] = [axes.collections[0] for axes in drawing.figure.axes if axes.collections]
    assert len({tuple(colour) for colour in points.get_facecolors()}) == 1


def test_models_that_have_no_place_in_two_dimensions_are_named(add, trained_models, answer_with, monkeypatch):
    monkeypatch.setattr(latent, "IMAGES", 40)
    add("mae,vlae,resnet_vae")
    answer_with(
        {
            "mae": {"encode": lambda x: x.flatten(1)},
            "vlae": {"encode": lambda x: torch.zeros(len(x), 2)},
            "resnet_vae": {"encode": lambda x: x},
        }
    )
    drawing = draw_tsne(trained_models())
    assert [record.model.name for record in drawing.records] == ["mae"]
    resnet, vlae = drawing.left_out
    assert vlae == "VLAE with free bits 0.01: its representations are all the same"
    assert resnet.startswith("ResNet VAE: Answers.encode(x) returned the representation as float32 [40, 1, 8, 8]")
