"""Figures made of images: reconstructions in sets of columns, samples in squares."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, product
from typing import TYPE_CHECKING

import numpy as np

from mae_bench.planning.registry import resolve_models
from mae_bench.report.figures.drawing import WIDTH, Drawing, NothingToDraw, caption_title, panel_figure, wrapped
from mae_bench.report.figures.trained import Array, Trained, TrainedModels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

RECONSTRUCTED = ("mae", "vlae")
"""The columns beside the original, in the paper's order."""
SETS, ROWS = 4, 10
SAMPLES_A_SIDE = 8
PANELS_A_ROW = 3


def draw_reconstructions(models: TrainedModels) -> Drawing:
    """Sets of columns: the original, MAE and VLAE, or one of the two if the other has no checkpoint.

    Of several models of a name, the one with the default parameters, or else the best of the board.
    """
    from matplotlib.figure import Figure

    pairs = [(name, _representative(models.all(), name)) for name in RECONSTRUCTED]
    absent = [f"no {name.upper()} has a checkpoint" for name, model in pairs if model is None]
    if len(absent) == len(pairs):
        raise NothingToDraw("; ".join(absent))
    indices = models.test_images(SETS * ROWS, "reconstructions")
    answers, faults = models.ask(
        [model for _, model in pairs if model],
        lambda gallery, model: gallery.reconstructions(model.record, model.weights, indices),
    )
    columns = [models.gallery.originals(indices), *(answer.array for answer in answers)]
    sheet, centres = reconstruction_sheet(columns)
    records = tuple(answer.model.record for answer in answers)
    drawn_by = " and ".join(answer.model.title for answer in answers)
    title = caption_title(f"Reconstructions by {drawn_by}", models.board, records)
    figure = Figure(figsize=(WIDTH, WIDTH * sheet.shape[0] / sheet.shape[1] + 0.4), layout="constrained")
    figure.suptitle(wrapped(title, WIDTH))
    axes = figure.subplots()
    _show(axes, sheet)
    headings = ["original", *(answer.model.row.name.upper() for answer in answers)]
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_xticks(centres, headings * (len(centres) // len(headings)), fontsize=6.5)
    bits = ", thresholded at half its grey range," if models.task.data.likelihood == "bernoulli" else ""
    caption = (
        f"Sets of {len(headings)} columns: a test image{bits} and draws from p(x|z) at its representation z by "
        f"{drawn_by}."
    )
    return Drawing(figure, title, caption, records, line_work=False, left_out=(*absent, *faults))


def draw_samples(models: TrainedModels) -> Drawing:
    """A square of samples from every model."""
    count = SAMPLES_A_SIDE**2
    answers, faults = models.ask(
        models.all(), lambda gallery, model: gallery.samples(model.record, model.weights, count)
    )
    records = tuple(answer.model.record for answer in answers)
    title = caption_title("Samples", models.board, records)
    figure, panels = panel_figure(title, -(-len(answers) // PANELS_A_ROW), PANELS_A_ROW)
    for answer, axes in zip(answers, (axes for row in panels for axes in row), strict=False):
        grid = answer.array.reshape(SAMPLES_A_SIDE, SAMPLES_A_SIDE, *answer.array.shape[1:])
        _show(axes, contact_sheet(grid, [1] * SAMPLES_A_SIDE)[0])
        axes.set_title(wrapped(answer.model.title, WIDTH / PANELS_A_ROW))
    caption = f"For each model the first {count} images that it draws from one random state; none is chosen."
    return Drawing(figure, title, caption, records, line_work=False, left_out=(*models.missing, *faults))


def reconstruction_sheet(columns: Sequence[Array]) -> tuple[Array, list[float]]:
    """Originals and their reconstructions, each [N, C, H, W], as `contact_sheet` gives them.

    Image n stands in row n % R of set n // R, with R the number of rows; images that do not fill a row are left out.
    """
    sets = min(SETS, len(columns[0]))
    rows = len(columns[0]) // sets
    stacked = np.stack([column[: sets * rows] for column in columns], axis=1)  # [N, K, C, H, W]
    grid = np.concatenate(np.split(stacked, sets), axis=1)  # [rows, sets * K, C, H, W]
    between_sets = max(2, stacked.shape[-1] // 4)
    return contact_sheet(grid, ([between_sets] + [1] * (len(columns) - 1)) * sets)


def contact_sheet(grid: Array, gaps: Sequence[int]) -> tuple[Array, list[float]]:
    """Images [R, K, C, H, W] as one RGB image on white, [h, w, 3], and the centre of every column in its pixels.

    gaps: the white pixels to the left of each column; the first is not drawn. Rows are one pixel apart.
    """
    rows, columns, _, height, width = grid.shape
    ends = list(accumulate(gap + width for gap in gaps))
    left = [end - width - gaps[0] for end in ends]
    sheet: Array = np.ones((rows * (height + 1) - 1, left[-1] + width, 3), dtype=np.float32)
    for row, column in product(range(rows), range(columns)):
        top = row * (height + 1)
        image = grid[row, column].transpose(1, 2, 0)  # [H, W, C]; one grey level is all three colours
        sheet[top : top + height, left[column] : left[column] + width] = image
    return sheet, [start + (width - 1) / 2 for start in left]


def _representative(models: Sequence[Trained], name: str) -> Trained | None:
    named = sorted((model for model in models if model.row.name == name), key=lambda model: model.rank)
    (default,) = resolve_models(name)
    return next((model for model in named if model.row.params == dict(default.params)), named[0] if named else None)


def _show(axes: Axes, sheet: Array) -> None:
    """The sheet alone: without axes, ticks and grid."""
    axes.imshow(sheet, interpolation="nearest", vmin=0.0, vmax=1.0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
