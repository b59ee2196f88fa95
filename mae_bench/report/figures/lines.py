"""Figures that records alone give: NLL against samples, the score against KL, training curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mae_bench.boards.aggregate import Board, Row
from mae_bench.records.schema import Record
from mae_bench.report.figures.drawing import (
    WIDTH,
    Drawing,
    NothingToDraw,
    by_model,
    caption_title,
    grid_place,
    looks,
    model_title,
    wrapped,
)
from mae_bench.report.layout import row_label
from mae_bench.report.plots import Plot, nll_against_samples, score_against_kl
from mae_bench.report.training_plots import OWN_LOSS, training_by_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT = 3.4
LEGENDS_ABREAST, LEGEND_WIDTH = 3, 1.9
"""Entries in a row beneath a figure, and inches for the text of each."""
MOST_MARKERS = 6
"""On one line."""
BAND = "Lines are means over seeds, as far as all seeds go; bands are one standard deviation."


def draw_nll_samples(board: Board) -> Drawing:
    """NLL against K, the number of importance samples: a line for each model."""
    plot = nll_against_samples(board)
    rows, left_out = _split(board, [plot])
    title = caption_title(plot.title, board, _records(rows))
    figure, (axes,) = _line_figure(title)
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(plot.ticks), list(plot.ticks.values()))
    axes.set(xlabel=plot.x_label, ylabel=plot.y_label)
    _draw_curves(axes, board, rows, plot)
    figure.legend(loc="outside right center")
    return Drawing(figure, title, f"{plot.description} {BAND}", _records(rows), line_work=True, left_out=left_out)


def draw_kl_score(board: Board) -> Drawing:
    """The metric that the board is sorted by against KL: a point for each model, and a line through MAEs of one γ."""
    plot = score_against_kl(board)
    rows, left_out = _split(board, [plot])
    title = caption_title(plot.title, board, _records(rows))
    figure, (axes,) = _line_figure(title)
    axes.set(xlabel=plot.x_label, ylabel=plot.y_label)
    look = looks(board.rows)
    points = {series.label: series.points[0] for series in plot.series if series.points}
    for gamma in sorted({place[1] for row in rows if (place := grid_place(row))}):
        labels = [row_label(row) for row in rows if (place := grid_place(row)) and place[1] == gamma]
        line = [points[label] for label in labels]
        axes.plot([p.x for p in line], [p.y for p in line], color=look[labels[0]]["color"], linewidth=0.8)
    for row in rows:
        point, mark = points[row_label(row)], look[row_label(row)] | {"linestyle": "none"}
        x_error, y_error = point.x_error or 0.0, point.y_error or 0.0
        axes.errorbar(point.x, point.y, y_error, x_error, fmt="none", ecolor=mark["color"], elinewidth=0.8)
        axes.plot(point.x, point.y, label=_legend_title(row), **mark)
    figure.legend(loc="outside right center")
    caption = (
        f"{plot.description} Bars are one standard deviation over seeds. A thin line joins the MAEs of one γ in the "
        "order of η."
    )
    return Drawing(figure, title, caption, _records(rows), line_work=True, left_out=left_out)


def draw_training(board: Board) -> Drawing:
    """Training curves by epoch: a panel for each loss and a line for each model."""
    from matplotlib.ticker import MaxNLocator

    plots = training_by_model(board)
    rows, left_out = _split(board, plots)
    title = caption_title("Training", board, _records(rows))
    figure, panels = _line_figure(title, len(plots))
    for axes, plot in zip(panels, plots, strict=True):
        axes.set_title(plot.title)
        axes.set_xlabel(plot.x_label)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        _draw_curves(axes, board, rows, plot)
    panels[0].set_ylabel(plots[0].y_label)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=LEGENDS_ABREAST)
    figure.set_figheight(HEIGHT + 0.17 * len(rows) / LEGENDS_ABREAST)
    own, terms = "", "Middle and right"
    if any(plot.title == OWN_LOSS for plot in plots):
        own, terms = " Second: the own loss of models without that bound, in its own unit.", "Last two"
    caption = (
        "Left: the negative evidence lower bound on the validation images after each epoch, of the averaged weights."
        f"{own} {terms}: the two terms of the training images' bound, means over each epoch. {BAND}"
    )
    return Drawing(figure, title, caption, _records(rows), line_work=True, left_out=left_out)


def _split(board: Board, plots: Sequence[Plot]) -> tuple[list[Row], tuple[str, ...]]:
    """The rows that have a point, and a clause for each of the others; NothingToDraw if none has."""
    needs = plots[0].needs
    labels = {series.label for plot in plots for series in plot.series if series.points}
    rows = by_model(board.rows)
    drawn = [row for row in rows if row_label(row) in labels]
    if not drawn:
        raise NothingToDraw(f"no model has {needs}")
    return drawn, tuple(f"{model_title(row)} lacks {needs}" for row in rows if row not in drawn)


def _records(rows: Sequence[Row]) -> tuple[Record, ...]:
    return tuple(record for row in rows for record in row.records)


def _line_figure(title: str, panels: int = 1) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    figure.suptitle(wrapped(title, WIDTH))
    all_axes: list[Axes] = figure.subplots(1, panels, squeeze=False)[0].tolist()
    return figure, all_axes


def _draw_curves(axes: Axes, board: Board, rows: Sequence[Row], plot: Plot) -> None:
    look, by_label = looks(board.rows), {series.label: series.points for series in plot.series}
    for row in rows:
        points = by_label[row_label(row)]
        x = [point.x for point in points]
        line = {"linewidth": 1.2, "markevery": max(1, len(points) // MOST_MARKERS)}
        axes.plot(x, [point.y for point in points], label=_legend_title(row), **look[row_label(row)] | line)
        if any(point.y_error for point in points):
            below, above = ([point.y + sign * (point.y_error or 0.0) for point in points] for sign in (-1, 1))
            axes.fill_between(x, below, above, color=look[row_label(row)]["color"], alpha=0.15, linewidth=0)


def _legend_title(row: Row) -> str:
    return wrapped(model_title(row), LEGEND_WIDTH)
