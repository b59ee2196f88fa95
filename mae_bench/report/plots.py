"""What plots show: points, and the same numbers as text, for the pages of a site and for figures. Draws nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite

from mae_bench.boards.aggregate import Board
from mae_bench.boards.spread import Sample, mean_of, sample_of
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.records.schema import EpochRow, Record
from mae_bench.report.layout import format_mean, row_label, title_with_unit

LARGEST_DRAWN = 1e9
"""Numbers beyond this are not drawn: no model means them, and no axis can show them."""
PROBE_FAMILIES = {
    "knn": "K nearest neighbours",
    "linear": "Logistic regression",
    "svm_linear": "Linear SVM",
    "svm_rbf": "SVM with an RBF kernel",
}
NEGATIVE_ELBO, OWN_LOSS = "validation -ELBO", "validation loss of the model's own"
LOSSES: dict[str, Callable[[EpochRow], float | None]] = {
    NEGATIVE_ELBO: lambda epoch: epoch.validation_negative_elbo,
    OWN_LOSS: lambda epoch: epoch.validation_loss,
    "reconstruction error in training": lambda epoch: epoch.train.get("reconstruction_error"),
    "KL in training": lambda epoch: epoch.train.get("kl"),
}
"""Title -> what a training curve says of an epoch: nats an image, or what the model's own loss is in."""
NOTHING = Sample(None, None, 0)


@dataclass(frozen=True)
class Point:
    """One mark, with the half lengths of its error bars: a standard deviation over seeds, None for a single value."""

    x: float
    y: float
    x_error: float | None = None
    y_error: float | None = None


@dataclass(frozen=True)
class Series:
    """The points of one model or seed, in the order of x. style: the number of its look, None for a reported row."""

    label: str
    points: tuple[Point, ...]
    style: int | None


@dataclass(frozen=True)
class Plot:
    """One plot and its table.

    key: its name on its page. description: sentences that say what it shows. headings, rows: the same numbers as text;
    the first cell of a row names it. ticks: the words along the x axis, by x; empty for an axis of numbers. joined:
    whether a line joins the points of a series. needs: what a model without points lacks.
    """

    key: str
    title: str
    description: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    headings: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    ticks: Mapping[float, str] = field(default_factory=dict)
    joined: bool = True
    needs: str = "numbers"

    @property
    def has_points(self) -> bool:
        """Whether there is anything to draw."""
        return any(series.points for series in self.series)


def board_plots(board: Board) -> list[Plot]:
    """The plots of a board that have a point: score against KL, probes against labels, NLL against samples."""
    probes = (probes_against_labels(board, family) for family in PROBE_FAMILIES)
    return [plot for plot in (score_against_kl(board), *probes, nll_against_samples(board)) if plot.has_points]


def score_against_kl(board: Board) -> Plot:
    """The metric that the board is sorted by, against KL: a point for each ranked row and each reported one."""
    score = metric_kind(board.primary)
    series, rows = _series_and_rows(board, ("kl", score.name), lambda values: [_point(values[0], values[1])])
    return Plot(
        key="score-kl",
        title=f"{score.title} against KL",
        description="One point for each model: the KL divergence from the posterior to the prior, in nats an image, "
        f"and {title_with_unit(score.name, ' in ')}, where lower is better.",
        x_label=title_with_unit("kl"),
        y_label=title_with_unit(score.name),
        series=series,
        headings=("model", title_with_unit("kl"), title_with_unit(score.name)),
        rows=rows,
        joined=False,
        needs="both KL and score",
    )


def probes_against_labels(board: Board, family: str) -> Plot:
    """The accuracies of one family of probes, by the number of labels: a line for each ranked or reported row."""
    counts = [metric.removeprefix(f"{family}_") for metric in board.metrics if _is_of(metric, family)]

    def points_of(values: Sequence[Sample]) -> list[Point | None]:
        return [_point(Sample(place, None, 1), value, scale=100.0) for place, value in enumerate(values)]

    series, rows = _series_and_rows(board, [f"{family}_{count}" for count in counts], points_of)
    return Plot(
        key=f"probe-{family.replace('_', '-')}",
        title=f"{PROBE_FAMILIES[family]}: accuracy against labels",
        description="One line for each model: test accuracy in per cent of a classifier of the representation, by the "
        "number of training labels.",
        x_label="labels",
        y_label="accuracy, %",
        series=series,
        headings=("model", *(f"{count} labels" for count in counts)),
        rows=rows,
        ticks=dict(enumerate(counts)),
    )


def nll_against_samples(board: Board) -> Plot:
    """The NLL against K, the number of importance samples: a line for each ranked row."""
    series = _mean_series(board, lambda record: record.nll_by_samples)
    counts = sorted({point.x for one in series for point in one.points})
    rows = []
    for one in series:
        found = {point.x: (point.y, point.y_error) for point in one.points}
        rows.append((one.label, *(format_mean("nll", *found.get(count, (None,))) for count in counts)))
    return Plot(
        key="nll-samples",
        title="NLL against importance samples",
        description="One line for each model: the negative log-likelihood in nats an image, as estimated from K "
        "importance samples. It falls with K towards the true value.",
        x_label="importance samples K",
        y_label=title_with_unit("nll"),
        series=series,
        headings=("model", *(f"K = {count}" for count in counts)),
        rows=tuple(rows),
        ticks={count: str(count) for count in counts},
        needs="an NLL",
    )


def validation_curve(curve: Sequence[EpochRow]) -> tuple[str, dict[int, float | None]]:
    """What a training was validated by, and its value after each epoch: the negative ELBO, or else the model's loss."""
    by_loss = any(epoch.validation_loss is not None for epoch in curve)
    by_elbo = any(epoch.validation_negative_elbo is not None for epoch in curve)
    title = OWN_LOSS if by_loss and not by_elbo else NEGATIVE_ELBO
    return title, {epoch.epoch: LOSSES[title](epoch) for epoch in curve}


def training_by_seed(records: Sequence[Record], key: str) -> Plot:
    """The validation negative ELBO, or the model's own loss, after every epoch: a line for each of `records`."""
    title = validation_curve([epoch for record in records for epoch in record.training.curve])[0]
    curves = [{epoch.epoch: LOSSES[title](epoch) for epoch in record.training.curve} for record in records]
    labels = [f"seed {record.seed}" for record in records]
    what = (
        "the negative evidence lower bound on the validation images, in nats an image"
        if title == NEGATIVE_ELBO
        else "the model's own loss on the validation images"
    )
    return Plot(
        key=key,
        title=f"Training: {title} after each epoch",
        description=f"One line for each seed: {what}, after each epoch. Lower is better.",
        x_label="epoch",
        y_label=f"{title}, nats" if title == NEGATIVE_ELBO else title,
        series=tuple(
            Series(label, _drawable(Point(x, y) for x, y in curve.items() if y is not None), number)
            for number, (label, curve) in enumerate(zip(labels, curves, strict=True))
        ),
        headings=("epoch", *labels),
        rows=tuple(
            (str(epoch), *(format_mean("negative_elbo", curve.get(epoch)) for curve in curves))
            for epoch in sorted({epoch for curve in curves for epoch in curve})
        ),
    )


def training_by_model(board: Board) -> list[Plot]:
    """A plot for each of LOSSES, by epoch: a line for each ranked row, the mean over its seeds.

    That of models' own losses is left out if no row has one.
    """

    def curve_of(loss: Callable[[EpochRow], float | None]) -> Callable[[Record], dict[int, float]]:
        return lambda record: {
            epoch.epoch: value for epoch in record.training.curve if (value := loss(epoch)) is not None
        }

    plots = [
        Plot(
            key="training",
            title=title,
            description="One line for each model, by epoch.",
            x_label="epoch",
            y_label="nats an image",
            series=_mean_series(board, curve_of(loss)),
            needs="a training curve",
        )
        for title, loss in LOSSES.items()
    ]
    return [plot for plot in plots if plot.title != OWN_LOSS or any(series.points for series in plot.series)]


def _series_and_rows(
    board: Board, metrics: Sequence[str], points_of: Callable[[Sequence[Sample]], Iterable[Point | None]]
) -> tuple[tuple[Series, ...], tuple[tuple[str, ...], ...]]:
    """The series and the row of the table of every ranked row, and of every reported row that has a point."""
    found: list[tuple[str, int | None, list[Sample]]] = []
    for number, row in enumerate(board.rows):
        cells = [row.cells.get(metric) for metric in metrics]
        values = [Sample(cell.mean, cell.std, cell.n) if cell else NOTHING for cell in cells]
        found.append((row_label(row), number, values))
    for reported in board.reported:
        values = [Sample(reported.metrics.get(metric), None, 1) for metric in metrics]
        found.append((f"{reported.model} (reported)", None, values))
    series, rows = [], []
    for label, style, values in found:
        points = _drawable(point for point in points_of(values) if point)
        if points or style is not None:
            series.append(Series(label, points, style))
            texts = (format_mean(metric, value.mean, value.std) for metric, value in zip(metrics, values, strict=True))
            rows.append((label, *texts))
    return tuple(series), tuple(rows)


def _mean_series(board: Board, curve_of: Callable[[Record], Mapping[int, float]]) -> tuple[Series, ...]:
    """A series for each ranked row: the mean over its seeds of their curves, at every x that all of them have."""
    found = []
    for number, row in enumerate(board.rows):
        curves = [curve_of(record) for record in row.records]
        shared = set.intersection(*map(set, curves)) if curves else set()
        samples = {x: [curve[x] for curve in curves] for x in sorted(shared)}
        points = (Point(x, mean_of(values), None, sample_of(values).std) for x, values in samples.items())
        found.append(Series(row_label(row), _drawable(points), number))
    return tuple(found)


def _point(x: Sample, y: Sample, scale: float = 1.0) -> Point | None:
    """The point of two means, y times `scale`; None if one is missing."""
    if x.mean is None or y.mean is None:
        return None
    return Point(x.mean, scale * y.mean, x.std, None if y.std is None else scale * y.std)


def _drawable(points: Iterable[Point]) -> tuple[Point, ...]:
    def bearable(*numbers: float | None) -> bool:
        return all(number is None or (isfinite(number) and abs(number) < LARGEST_DRAWN) for number in numbers)

    return tuple(point for point in points if bearable(point.x, point.y, point.x_error, point.y_error))


def _is_of(metric: str, family: str) -> bool:
    prefix, _, count = metric.rpartition("_")
    return prefix == family and (count.isdigit() or count == "all")
