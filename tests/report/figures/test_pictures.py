"""Pictures: every image in its place, every column under its name."""

import numpy as np
import pytest
import torch

from mae_bench.adapter import NotSupported
from mae_bench.data import load_data
from mae_bench.report.figures.drawing import NothingToDraw
from mae_bench.report.figures.pictures import contact_sheet, draw_reconstructions, draw_samples, reconstruction_sheet
from tests.adapters import strangers

pytestmark = pytest.mark.usefixtures("figure_style")


def constant(value):
    return {"reconstruct": lambda x: torch.full_like(x, value)}


def sheet_of(axes):
    (image,) = axes.images
    return np.asarray(image.get_array())


def headings(figure):
    (axes,) = figure.axes
    return [
        (tick.get_text(), int(place + 0.5))
        for tick, place in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True)
    ]


def test_a_sheet_has_every_image_in_its_row_and_column_with_white_between():
    images = np.arange(12, dtype=np.float32).reshape(2, 3, 1, 1, 2) / 20  # 2 rows and 3 columns of images 1 x 2
    sheet, centres = contact_sheet(images, [1, 1, 3])
    assert sheet[..., 0] == pytest.approx(
        np.array(
            [
                [0.00, 0.05, 1, 0.10, 0.15, 1, 1, 1, 0.20, 0.25],
                [1] * 10,
                [0.30, 0.35, 1, 0.40, 0.45, 1, 1, 1, 0.50, 0.55],
            ]
        )
    )
    assert (sheet == sheet[..., :1]).all()  # grey
    assert centres == [0.5, 3.5, 8.5]


def test_a_sheet_keeps_colours():
    images = np.array([0.1, 0.2, 0.3], dtype=np.float32).reshape(1, 1, 3, 1, 1)
    assert contact_sheet(images, [1])[0] == pytest.approx(np.array([[[0.1, 0.2, 0.3]]]))


def test_reconstructions_stand_beside_their_originals_set_after_set():
    originals = np.arange(10, dtype=np.float32).reshape(10, 1, 1, 1)
    sheet, centres = reconstruction_sheet([originals, originals + 0.25, originals + 0.5])
    columns = sheet[::2, [round(centre) for centre in centres], 0]  # 4 sets of 2 rows; two images are left out
    assert columns.tolist() == [
        [0, 0.25, 0.5, 2, 2.25, 2.5, 4, 4.25, 4.5, 6, 6.25, 6.5],
        [1, 1.25, 1.5, 3, 3.25, 3.5, 5, 5.25, 5.5, 7, 7.25, 7.5],
    ]
    assert reconstruction_sheet([originals[:3]] * 3)[0].shape[0] == 1


def test_columns_are_original_mae_and_vlae(add, trained_models, answer_with, digits_task):
    add("vlae,mae")
    answer_with({"mae": constant(0.25), "vlae": constant(0.75)})
    models = trained_models()
    drawing = draw_reconstructions(models)
    names = headings(drawing.figure)
    assert [name for name, _ in names] == ["original", "MAE", "VLAE"] * 4
    sheet = sheet_of(drawing.figure.axes[0])
    indices = torch.from_numpy(models.test_images(40, "reconstructions"))
    tested = load_data(digits_task, preset="smoke").test.thresholded(indices).numpy()
    for number, (name, centre) in enumerate(names):
        column = sheet[:, centre - 4 : centre + 4, 0]  # of pixels 0 to 7 the centre is 3.5
        images = [column[9 * row : 9 * row + 8] for row in range(10)]
        first = 10 * (number // 3)
        wanted = {"original": tested[first : first + 10, 0], "MAE": 0.25, "VLAE": 0.75}[name]
        assert (np.stack(images) == wanted).all()
    assert set(np.unique(tested)) == {0.0, 1.0}
    assert [record.model.name for record in drawing.records] == ["mae", "vlae"]
    assert drawing.left_out == ()
    assert drawing.title == (
        "Reconstructions by MAE η=1.0, γ=0.5 and VLAE with free bits 0.01: digits, preset smoke, seed 0, "
        "trained for 2 epochs"
    )


def test_one_of_the_two_is_drawn_alone_and_the_other_named(add, trained_models):
    add("mae")
    add("vlae", weights=False)
    drawing = draw_reconstructions(trained_models())
    assert [name for name, _ in headings(drawing.figure)] == ["original", "MAE"] * 4
    assert drawing.left_out == ("no checkpoint of VLAE with free bits 0.01",)


def test_other_models_follow_and_are_drawn_where_neither_of_the_two_is(add, trained_models, answer_with):
    add("resnet_vae,pixelcnn")
    drawing = draw_reconstructions(trained_models())
    assert [name for name, _ in headings(drawing.figure)] == ["original", "RESNET_VAE"] * 4
    (left_out,) = drawing.left_out
    assert left_out.startswith("pixelcnn") and "does not reconstruct" in left_out
    add("vlae,mae,vae")
    drawing = draw_reconstructions(trained_models())
    assert [name for name, _ in headings(drawing.figure)] == ["original", "MAE", "VLAE", "RESNET_VAE", "VAE"] * 2
    assert drawing.title.startswith("Reconstructions by 4 models: digits")


def test_a_model_of_ones_own_is_drawn_alone_and_the_best_of_its_parameters(add, trained_models):
    add(f"{strangers.__file__}:WithoutDensity[units=2]", metrics={"nll": 20.0})
    add(f"{strangers.__file__}:WithoutDensity[units=3]", metrics={"nll": 10.0})
    drawing = draw_reconstructions(trained_models(model_files=[strangers.__file__]))
    assert [name for name, _ in headings(drawing.figure)] == ["original", "WithoutDensity"] * 4
    (record,) = drawing.records
    assert record.model.params == {"units": 3}


def test_without_a_checkpoint_there_is_nothing_to_draw(add, trained_models):
    add("mae", weights=False)
    with pytest.raises(NothingToDraw, match="no model has a checkpoint"):
        draw_reconstructions(trained_models())


@pytest.mark.parametrize(
    ("models", "chosen"),
    [
        ({"mae[eta=2.0]": 10.0, "mae": 20.0}, {"eta": 1.0, "gamma": 0.5}),
        ({"mae[eta=0.5]": 20.0, "mae[gamma=1.0]": 10.0}, {"eta": 1.0, "gamma": 1.0}),
        ({"mae[eta=0.5]": 10.0, "mae[gamma=1.0]": 20.0}, {"eta": 0.5, "gamma": 0.5}),
    ],
)
def test_the_default_parameters_are_drawn_or_else_the_best_model(add, trained_models, models, chosen):
    for model, nll in models.items():
        add(model, metrics={"nll": nll})
    (record,) = draw_reconstructions(trained_models()).records
    assert record.model.params == {"diversity": "paper", **chosen}


def test_the_lowest_seed_with_a_checkpoint_is_drawn(add, trained_models):
    add("mae", (0,), weights=False)
    add("mae", (2, 1))
    (record,) = draw_reconstructions(trained_models()).records
    assert record.seed == 1


def test_every_model_has_a_square_of_its_samples(add, trained_models, answer_with):
    add("mae,vlae,vlae[free_bits=0.0],resnet_vae")
    values = {"mae": 0.25, "vlae": 0.5, "resnet_vae": 0.75}
    answer_with({name: {"sample": lambda count, v=v: torch.full((count, 1, 8, 8), v)} for name, v in values.items()})
    drawing = draw_samples(trained_models())
    panels = [axes for axes in drawing.figure.axes if axes.images]
    assert [axes.get_title() for axes in panels] == [
        "ResNet VAE",
        "VLAE without free bits",
        "VLAE with free bits 0.01",
        "MAE η=1.0, γ=0.5",
    ]
    for axes, value in zip(panels, [0.75, 0.5, 0.5, 0.25], strict=True):
        sheet = sheet_of(axes)
        assert sheet.shape == (8 * 9 - 1, 8 * 9 - 1, 3)
        assert (sheet[:8, :8] == value).all() and (sheet[-8:, -8:] == value).all() and (sheet[8] == 1).all()


def refuses(_count):
    raise NotSupported("it does not sample")


def breaks(_count):
    raise KeyError("weights")


@pytest.mark.parametrize(
    ("sample", "clause"),
    [
        (refuses, "ResNet VAE: it does not sample"),
        (breaks, "ResNet VAE: it does not answer (KeyError: 'weights'); correct the adapter"),
        (lambda count: torch.zeros(count, 8, 8), "something else than images [64, 1, 8, 8]"),
        (lambda count: torch.full((count, 1, 8, 8), 1.5), "something else than images [64, 1, 8, 8]"),
        (lambda count: torch.full((count, 1, 8, 8), torch.nan), "something else than images [64, 1, 8, 8]"),
        (lambda count: None, "something else than images [64, 1, 8, 8]"),
    ],
)
def test_a_model_without_samples_is_named_and_the_others_are_drawn(add, trained_models, answer_with, sample, clause):
    add("vlae,resnet_vae")
    good = {"sample": lambda count: torch.zeros(count, 1, 8, 8)}
    answer_with({"vlae": good, "resnet_vae": {"sample": sample}})
    drawing = draw_samples(trained_models())
    assert [record.model.name for record in drawing.records] == ["vlae"]
    (left_out,) = drawing.left_out
    assert clause in left_out
    answer_with({"vlae": {"sample": sample}, "resnet_vae": {"sample": sample}})
    with pytest.raises(NothingToDraw):
        draw_samples(trained_models())


def test_natural_images_are_drawn_in_colour(add, cifar10_task, trained_models):
    add("vlae", of=cifar10_task)
    models = trained_models(cifar10_task)
    (axes,) = draw_reconstructions(models).figure.axes
    index = torch.from_numpy(models.test_images(40, "reconstructions")[:1])
    (image,) = load_data(cifar10_task, preset="smoke").test.batch(index).numpy()
    assert sheet_of(axes)[:32, :32] == pytest.approx(image.transpose(1, 2, 0))
    assert len(np.unique(image)) > 2
