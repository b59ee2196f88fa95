"""Figures that records alone give: NLL against samples, KL against the score, training curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, nan
from typing import TYPE_CHECKING

from mae_bench.metrics.catalogue import metric_kind
from mae_bench.records.aggregate import Board, Row
from mae_bench.records.schema import EpochRow, Record
from mae_bench.report.curves import LARGEST_DRAWN, Curve, over_seeds
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HEIGHT = 3.4
LEGENDS_ABREAST, LEGEND_WIDTH = 3, 1.9
"""Entries in a row beneath a figure, and inches for the text of each."""
MOST_MARKERS = 6
"""On one line."""
BAND = "Lines are means over seeds, as far as all seeds go; bands are one standard deviation."
TRAINING_PANELS: dict[str, Callable[[EpochRow], float | None]] = {
    "validation -ELBO": lambda epoch: epoch.validation_negative_elbo,
    "reconstruction error in training": lambda epoch: epoch.train.get("reconstruction_error"),
    "KL in training": lambda epoch: epoch.train.get("kl"),
}
"""Title -> what of an epoch is drawn, nats."""


def draw_nll_samples(board: Board) -> Drawing:
    """NLL against K, the number of importance samples: a line for each model."""
    curves = _curves(board, lambda record: record.nll_by_samples)
    rows, left_out = _drawable(board, lambda row: bool(curves[row_label(row)]), "an NLL")
    title = caption_title("NLL against importance samples", board, _records(rows))
    figure, (axes,) = _line_figure(title)
    counts = sorted({count for curve in curves.values() for count in curve})
    axes.set_xscale("log", base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set(xlabel="importance samples K", ylabel="NLL, nats")
    _draw_curves(axes, board, rows, curves)
    figure.legend(loc="outside right center")
    caption = f"The negative log-likelihood of a test image, estimated from K importance samples. {BAND}"
    return Drawing(figure, title, caption, _records(rows), line_work=True, left_out=left_out)


def draw_kl_score(board: Board) -> Drawing:
    """KL against the metric that the board is sorted by: a point for each model, and a line through MAEs of one γ."""
    score = metric_kind(board.primary)
    rows, left_out = _drawable(
        board, lambda row: isfinite(_mean(row, "kl") + _mean(row, score.name)), "both KL and score"
    )
    title = caption_title(f"KL against {score.title}", board, _records(rows))
    figure, (axes,) = _line_figure(title)
    axes.set(xlabel="KL, nats", ylabel=score.title if score.title == score.unit else f"{score.title}, {score.unit}")
    look = looks(board.rows)
    for gamma in sorted({place[1] for row in rows if (place := grid_place(row))}):
        of_gamma = [row for row in rows if (place := grid_place(row)) and place[1] == gamma]
        means = [(_mean(row, "kl"), _mean(row, score.name)) for row in of_gamma]
        axes.plot(*zip(*means, strict=True), color=look[row_label(of_gamma[0])]["color"], linewidth=0.8)
    for row in rows:
        x, y = _mean(row, "kl"), _mean(row, score.name)
        errors = row.cells["kl"].std or 0.0, row.cells[score.name].std or 0.0
        mark = look[row_label(row)] | {"linestyle": "none"}
        axes.errorbar(x, y, xerr=errors[0], yerr=errors[1], fmt="none", ecolor=mark["color"], elinewidth=0.8)
        axes.plot(x, y, label=_legend_title(row), **mark)
    figure.legend(loc="outside right center")
    caption = (
        f"The KL divergence from posterior to prior and the {score.title}: means over seeds with one standard "
        "deviation. A thin line joins the MAEs of one γ in the order of η."
    )
    return Drawing(figure, title, caption, _records(rows), line_work=True, left_out=left_out)


def draw_training(board: Board) -> Drawing:
    """Training curves by epoch, a panel for each of TRAINING_PANELS and a line for each model."""
    from matplotlib.ticker import MaxNLocator

    panels = {name: _curves(board, _by_epoch(of_epoch)) for name, of_epoch in TRAINING_PANELS.items()}
    rows, left_out = _drawable(
        board, lambda row: any(curves[row_label(row)] for curves in panels.values()), "a training curve"
    )
    title = caption_title("Training", board, _records(rows))
    figure, all_axes = _line_figure(title, len(panels))
    for axes, (name, curves) in zip(all_axes, panels.items(), strict=True):
        axes.set_title(name)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        _draw_curves(axes, board, rows, curves)
    all_axes[0].set_ylabel("nats an image")
    handles, labels = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=LEGENDS_ABREAST)
    figure.set_figheight(HEIGHT + 0.17 * len(rows) / LEGENDS_ABREAST)
    caption = (
        "Left: the negative evidence lower bound on the validation images after each epoch, of the averaged weights. "
        f"Middle and right: the two terms of the training images' bound, means over each epoch. {BAND}"
    )
    return Drawing(figure, title, caption, _records(rows), line_work=True, left_out=left_out)


def _curves(board: Board, of_record: Callable[[Record], Mapping[int, float]]) -> dict[str, Curve]:
    """Each row's mean curve, by the row's label."""
    return {row_label(row): over_seeds([of_record(record) for record in row.records]) for row in board.rows}


def _by_epoch(of_epoch: Callable[[EpochRow], float | None]) -> Callable[[Record], Mapping[int, float]]:
    def of_record(record: Record) -> Mapping[int, float]:
        values = {row.epoch: of_epoch(row) for row in record.training.curve}
        return {epoch: value for epoch, value in values.items() if value is not None}

    return of_record


def _drawable(board: Board, has_numbers: Callable[[Row], bool], what: str) -> tuple[list[Row], tuple[str, ...]]:
    """The rows that have numbers, and a clause for each of the others; NothingToDraw where none has."""
    rows = by_model(board.rows)
    drawn = [row for row in rows if has_numbers(row)]
    if not drawn:
        raise NothingToDraw(f"no model has {what}")
    return drawn, tuple(f"{model_title(row)} lacks {what}" for row in rows if row not in drawn)


def _mean(row: Row, metric: str) -> float:
    """The mean over seeds; not a number where there is none, or none that an axis bears."""
    mean = row.cells[metric].mean if metric in row.cells else None
    return nan if mean is None or abs(mean) >= LARGEST_DRAWN else mean


def _records(rows: Sequence[Row]) -> tuple[Record, ...]:
    return tuple(record for row in rows for record in row.records)


def _line_figure(title: str, panels: int = 1) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    figure.suptitle(wrapped(title, WIDTH))
    all_axes: list[Axes] = figure.subplots(1, panels, squeeze=False)[0].tolist()
    return figure, all_axes


def _draw_curves(axes: Axes, board: Board, rows: Sequence[Row], curves: Mapping[str, Curve]) -> None:
    look = looks(board.rows)
    for row in rows:
        curve = curves[row_label(row)]
        means = [mean for mean, _ in curve.values()]
        line = {"linewidth": 1.2, "markevery": max(1, len(curve) // MOST_MARKERS)}
        axes.plot(list(curve), means, label=_legend_title(row), **look[row_label(row)] | line)
        if any(std for _, std in curve.values()):
            below, above = ([mean + sign * (std or 0.0) for mean, std in curve.values()] for sign in (-1, 1))
            axes.fill_between(list(curve), below, above, color=look[row_label(row)]["color"], alpha=0.15, linewidth=0)


def _legend_title(row: Row) -> str:
    return wrapped(model_title(row), LEGEND_WIDTH)
