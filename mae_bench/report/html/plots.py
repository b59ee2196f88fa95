"""What the plots of a site show: points and the same numbers as text. Nothing is drawn here."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from mae_bench.metrics.catalogue import metric_kind
from mae_bench.records.aggregate import Board, Cell
from mae_bench.records.schema import Record
from mae_bench.report.curves import LARGEST_DRAWN, over_seeds
from mae_bench.report.layout import ABSENT, format_mean, row_label

PROBE_FAMILIES = {
    "knn": "K nearest neighbours",
    "linear": "Logistic regression",
    "svm_linear": "Linear SVM",
    "svm_rbf": "SVM with an RBF kernel",
}


@dataclass(frozen=True)
class Point:
    """One mark, with the half lengths of its error bars."""

    x: float
    y: float
    x_error: float = 0.0
    y_error: float = 0.0


@dataclass(frozen=True)
class Series:
    """The points of one model or seed. style: which colour, marker and dashes; None for what others reported."""

    label: str
    points: tuple[Point, ...]
    style: int | None


@dataclass(frozen=True)
class Plot:
    """One plot and its table.

    key: its name within its page. ticks: words along the x axis, at 0, 1, 2, ...; empty for an axis of numbers.
    joined: whether a line joins the points of a series. headings, rows: the same numbers as text; the first cell of a
    row names its series, or what all series have at that row.
    """

    key: str
    title: str
    description: str
    x_label: str
    y_label: str
    ticks: tuple[str, ...]
    joined: bool
    series: tuple[Series, ...]
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def board_plots(board: Board) -> list[Plot]:
    """The plots of a board that have a point: score against KL, probes against labels, score against samples."""
    plots = [_score_against_kl(board), *(_probes(board, family) for family in PROBE_FAMILIES), _samples(board)]
    return [plot for plot in plots if any(series.points for series in plot.series)]


def training_plot(records: Sequence[Record], key: str) -> Plot:
    """Validation negative ELBO after every epoch, a line for each of `records`."""
    curves = [{row.epoch: row.validation_negative_elbo for row in record.training.curve} for record in records]
    labels = [f"seed {record.seed}" for record in records]
    return Plot(
        key,
        "Training: validation -ELBO after each epoch",
        "One line for each seed: the negative evidence lower bound on the validation images, in nats an image, after "
        "each epoch. Lower is better.",
        "epoch",
        "validation -ELBO, nats",
        (),
        True,
        tuple(
            Series(label, _drawable(Point(x, y) for x, y in curve.items() if y is not None), number)
            for number, (label, curve) in enumerate(zip(labels, curves, strict=True))
        ),
        ("epoch", *labels),
        tuple(
            (str(epoch), *(format_mean("negative_elbo", curve.get(epoch)) for curve in curves))
            for epoch in sorted({epoch for curve in curves for epoch in curve})
        ),
    )


def _score_against_kl(board: Board) -> Plot:
    primary, kind = board.primary, metric_kind(board.primary)
    series: list[Series] = []
    rows: list[tuple[str, ...]] = []
    for number, row in enumerate(board.rows):
        kl, score = row.cells.get("kl"), row.cells.get(primary)
        series.append(Series(row_label(row), _drawable(_crossing(kl, score)), number))
        rows.append((row_label(row), _cell_text("kl", kl), _cell_text(primary, score)))
    for reported in board.reported:
        if "kl" in reported.metrics and primary in reported.metrics:
            point = Point(reported.metrics["kl"], reported.metrics[primary])
            series.append(Series(f"{reported.model} (reported)", _drawable([point]), None))
            rows.append((series[-1].label, *(format_mean(name, reported.metrics[name]) for name in ("kl", primary))))
    return Plot(
        "score-kl",
        f"{kind.title} against KL",
        f"One point for each model: the KL divergence from the posterior to the prior, in nats an image, and "
        f"{kind.title} in {kind.unit}, where lower is better. Bars are one standard deviation over seeds; hollow grey "
        "diamonds are reported by others.",
        "KL, nats",
        f"{kind.title}, {kind.unit}",
        (),
        False,
        tuple(series),
        ("model", "KL, nats", f"{kind.title}, {kind.unit}"),
        tuple(rows),
    )


def _crossing(x: Cell | None, y: Cell | None) -> Iterator[Point]:
    if x and y and x.mean is not None and y.mean is not None:
        yield Point(x.mean, y.mean, x.std or 0.0, y.std or 0.0)


def _probes(board: Board, family: str) -> Plot:
    counts = [metric.removeprefix(f"{family}_") for metric in board.metrics if _is_of(metric, family)]
    metrics = [f"{family}_{count}" for count in counts]
    series, rows = [], []
    for number, row in enumerate(board.rows):
        cells = [row.cells.get(metric) for metric in metrics]
        points = [
            Point(place, 100 * cell.mean, 0.0, 100 * (cell.std or 0.0))
            for place, cell in enumerate(cells)
            if cell and cell.mean is not None
        ]
        series.append(Series(row_label(row), _drawable(points), number))
        rows.append((row_label(row), *map(_cell_text, metrics, cells)))
    for reported in board.reported:
        values = [reported.metrics.get(metric) for metric in metrics]
        points = [Point(place, 100 * value) for place, value in enumerate(values) if value is not None]
        if points:
            series.append(Series(f"{reported.model} (reported)", _drawable(points), None))
            rows.append((series[-1].label, *map(format_mean, metrics, values)))
    return Plot(
        f"probe-{family.replace('_', '-')}",
        f"{PROBE_FAMILIES[family]}: accuracy against labels",
        "One line for each model: test accuracy in per cent of a classifier of the representation, by the number of "
        "training labels. Bars are one standard deviation over seeds; dashed grey lines are reported by others.",
        "labels",
        "accuracy, %",
        tuple(counts),
        True,
        tuple(series),
        ("model", *(f"{count} labels" for count in counts)),
        tuple(rows),
    )


def _is_of(metric: str, family: str) -> bool:
    prefix, _, count = metric.rpartition("_")
    return prefix == family and (count.isdigit() or count == "all")


def _samples(board: Board) -> Plot:
    by_row = [over_seeds([record.nll_by_samples for record in row.records]) for row in board.rows]
    counts = sorted({count for values in by_row for count in values})
    unit = metric_kind("nll").unit
    return Plot(
        "nll-samples",
        "NLL against importance samples",
        "One line for each model: the negative log-likelihood in nats an image, as estimated from K importance "
        "samples. It falls with K towards the true value. Bars are one standard deviation over seeds.",
        "importance samples K",
        f"NLL, {unit}",
        tuple(str(count) for count in counts),
        True,
        tuple(
            Series(
                row_label(row),
                _drawable(Point(counts.index(count), mean, 0.0, std or 0.0) for count, (mean, std) in values.items()),
                number,
            )
            for number, (row, values) in enumerate(zip(board.rows, by_row, strict=True))
        ),
        ("model", *(f"K = {count}" for count in counts)),
        tuple(
            (row_label(row), *(format_mean("nll", *values.get(count, (None,))) for count in counts))
            for row, values in zip(board.rows, by_row, strict=True)
        ),
    )


def _drawable(points: Iterable[Point]) -> tuple[Point, ...]:
    return tuple(
        point
        for point in points
        if all(isfinite(n) and abs(n) < LARGEST_DRAWN for n in (point.x, point.y, point.x_error, point.y_error))
    )


def _cell_text(metric: str, cell: Cell | None) -> str:
    return ABSENT if cell is None else format_mean(metric, cell.mean, cell.std)
