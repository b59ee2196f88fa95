"""Figures made of images: reconstructions in sets of columns, samples in squares."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, product
from typing import TYPE_CHECKING, Any

import numpy as np

from mae_bench.foundation.errors import UsageError
from mae_bench.planning.registry import resolve_models
from mae_bench.report.figures.drawing import WIDTH, Drawing, caption_title, panel_figure, wrapped
from mae_bench.report.figures.trained import Array, Trained, TrainedModels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIRST = ("mae", "vlae")
"""The columns beside the original in the paper's order; other models follow."""
SETS, ROWS, COLUMNS = 4, 10, 12
"""At most so many sets of columns, rows, and columns in all unless one set alone has more."""
MOST_IN_TITLE = 3
"""Models that the title names one by one."""
SAMPLES_A_SIDE = 8
PANELS_A_ROW = 3


def draw_reconstructions(models: TrainedModels) -> Drawing:
    """Sets of columns: the original, MAE, VLAE, and every other model that reconstructs.

    Of several models of a name, the one with the default parameters, or else the best of the board.
    """
    from matplotlib.figure import Figure

    shown = _one_of_each_name(models.all())
    sets = min(SETS, max(1, COLUMNS // (len(shown) + 1)))
    indices = models.test_images(sets * ROWS, "reconstructions")
    answers, faults = models.ask(
        shown, lambda gallery, model: gallery.reconstructions(model.record, model.weights, indices)
    )
    columns = [models.gallery.originals(indices), *(answer.array for answer in answers)]
    sheet, centres = reconstruction_sheet(columns, sets)
    records = tuple(answer.model.record for answer in answers)
    drawn_by = _listed([answer.model.title for answer in answers])
    by = drawn_by if len(answers) <= MOST_IN_TITLE else f"{len(answers)} models"
    title = caption_title(f"Reconstructions by {by}", models.board, records)
    figure = Figure(figsize=(WIDTH, WIDTH * sheet.shape[0] / sheet.shape[1] + 0.4), layout="constrained")
    figure.suptitle(wrapped(title, WIDTH))
    axes = figure.subplots()
    _show(axes, sheet)
    headings = ["original", *(_heading(answer.model.row.name) for answer in answers)]
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    slanted: dict[str, Any] = {"rotation": 45, "ha": "left"} if len(answers) > MOST_IN_TITLE else {}
    axes.set_xticks(centres, headings * (len(centres) // len(headings)), fontsize=6.5, **slanted)
    bits = ", thresholded at half its grey range," if models.task.data.likelihood == "bernoulli" else ""
    caption = f"Sets of {len(headings)} columns: a test image{bits} and what each model makes of it: {drawn_by}."
    return Drawing(figure, title, caption, records, line_work=False, left_out=(*models.missing, *faults))


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


def reconstruction_sheet(columns: Sequence[Array], sets: int = SETS) -> tuple[Array, list[float]]:
    """Originals and their reconstructions, each [N, C, H, W], as `contact_sheet` gives them. sets: at most.

    Image n stands in row n % R of set n // R, with R the number of rows; images that do not fill a row are left out.
    """
    sets = min(sets, len(columns[0]))
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


def _one_of_each_name(models: Sequence[Trained]) -> list[Trained]:
    """The representative of each name: MAE and VLAE first, then the others in the order of `models`."""
    names = dict.fromkeys(model.row.name for model in models)
    in_order = [name for name in FIRST if name in names] + [name for name in names if name not in FIRST]
    return [_representative([model for model in models if model.row.name == name]) for name in in_order]


def _representative(named: Sequence[Trained]) -> Trained:
    """Of models of one name, the one with its default parameters, or else the best."""
    best = min(named, key=lambda model: model.rank)
    if len(named) == 1:
        return best
    try:
        (default,) = resolve_models(best.row.name)
    except UsageError:  # a model of one's own, which no name here stands for
        return best
    return next((model for model in named if model.row.params == dict(default.params)), best)


def _heading(name: str) -> str:
    """A built-in model's name as the paper writes such names; that of a class as it is."""
    return name.upper() if name.islower() else name


def _listed(titles: Sequence[str]) -> str:
    """ "A", "A and B", "A, B and C"."""
    return " and ".join(filter(None, (", ".join(titles[:-1]), titles[-1])))


def _show(axes: Axes, sheet: Array) -> None:
    """The sheet alone: without axes, ticks and grid."""
    axes.imshow(sheet, interpolation="nearest", vmin=0.0, vmax=1.0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set(xticks=[], yticks=[])
