"""What plots show: points, and the same numbers as text, for the pages of a site and for figures. Draws nothing."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

from mae_bench.boards.aggregate import Board
from mae_bench.boards.spread import Sample, mean_of, sample_of
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.records.schema import Record
from mae_bench.report.layout import format_sample, title_with_unit
from mae_bench.report.systems import name_rows

LARGEST_DRAWN = 1e9
"""Numbers beyond this are not drawn: no model means them, and no axis can show them."""
PROBE_FAMILIES = {
    "knn": "K nearest neighbours",
    "linear": "Logistic regression",
    "svm_linear": "Linear SVM",
    "svm_rbf": "SVM with an RBF kernel",
}
NOTHING = Sample(None, None, 0)
REPORTED = "reported"
"""The look of what others reported."""
LIKELY_PROBES = ("knn_100", "linear_100", "knn_all", "linear_all", "kmeans_10")
"""The probes that stand for a representation where there is room for one; the first that a board has."""
MOST_ROWS = 60
"""How many ranked rows a board's plots show."""


@dataclass(frozen=True)
class Point:
    """One mark, with the half lengths of its error bars: a standard deviation over seeds, None for a single value."""

    x: float
    y: float
    x_error: float | None = None
    y_error: float | None = None


@dataclass(frozen=True)
class Series:
    """The points of one model or seed, in the order of x.

    label: as `row_label` has it. look: a family of models, `REPORTED`, or "seed-0" and so on. name: what a page calls
    it. key: of its row, so that a page finds the marks of a row; "" if it is not one.
    """

    label: str
    points: tuple[Point, ...]
    look: str
    name: str = ""
    key: str = ""


@dataclass(frozen=True)
class Plot:
    """One plot and its table.

    key: its name on its page. description: sentences that say what it shows. headings, rows: the same numbers as text;
    the first cell of a row names it. ticks: the words along the x axis, by x; empty for an axis of numbers. joined:
    whether a line joins the points of a series. sums: whether lines join the places of equal x + y. whole: whether x
    is a count. needs: what a model without points lacks.
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
    sums: bool = False
    whole: bool = False
    needs: str = "numbers"

    @property
    def has_points(self) -> bool:
        """Whether there is anything to draw."""
        return any(series.points for series in self.series)


def board_plots(board: Board) -> list[Plot]:
    """The plots of a board that have a point. Of a board with more than `MOST_ROWS`, they show the best rows."""
    best = replace(board, rows=board.rows[:MOST_ROWS])
    probes = (probes_against_labels(best, family) for family in PROBE_FAMILIES)
    plots = (rate_distortion(best), representation_against_likelihood(best), *probes, nll_against_samples(best))
    return [plot for plot in plots if plot.has_points]


def rate_distortion(board: Board) -> Plot:
    """Reconstruction error against KL (Alemi et al., ICML 2018): a point for each ranked row and each reported one."""
    return Plot(
        key="rate-distortion",
        title="Rate and distortion",
        description="One point for each model: the KL, what its latents say of an image (the rate), and the "
        "reconstruction error, what they leave unsaid (the distortion). Their sum is the -ELBO, which is the same all "
        "along a thin line: a model nearer to the lower left is better, and two on one line divide the same bound "
        "differently.",
        x_label="rate: KL, nats",
        y_label="distortion: RE, nats",
        **_points(board, "kl", "reconstruction_error"),
        sums=True,
        needs="both KL and reconstruction error",
    )


def representation_against_likelihood(board: Board) -> Plot:
    """The accuracy of one probe against the metric that the board is sorted by."""
    probe = next((one for one in LIKELY_PROBES if one in board.metrics), LIKELY_PROBES[0])
    better = metric_kind(probe).title
    return Plot(
        key="representation",
        title="Representation against likelihood",
        description=f"One point for each model: the test accuracy of {better} on its representation, and "
        f"{title_with_unit(board.primary, ' in ')}. The best models are at the upper left: likely images, and "
        "latents that tell classes apart with few labels.",
        x_label=title_with_unit(board.primary),
        y_label=f"{better}, accuracy in %",
        **_points(board, board.primary, probe),
        needs="both likelihood and representation",
    )


def score_against_kl(board: Board) -> Plot:
    """The metric that the board is sorted by, against KL: a point for each ranked row and each reported one."""
    score = metric_kind(board.primary)
    return Plot(
        key="score-kl",
        title=f"{score.title} against KL",
        description="One point for each model: the KL divergence from the posterior to the prior, in nats an image, "
        f"and {title_with_unit(score.name, ' in ')}, where lower is better.",
        x_label=title_with_unit("kl"),
        y_label=title_with_unit(score.name),
        **_points(board, "kl", score.name),
        needs="both KL and score",
    )


def _points(board: Board, x: str, y: str) -> dict[str, Any]:
    """What a plot of one metric against another shows: a point for each row."""
    scales = [100.0 if metric_kind(metric).unit == "accuracy" else 1.0 for metric in (x, y)]
    series, rows = _series_and_rows(board, (x, y), lambda values: [_point(values[0], values[1], scales[1])])
    return {
        "series": series,
        "headings": ("model", title_with_unit(x), title_with_unit(y)),
        "rows": rows,
        "joined": False,
    }


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
    series = mean_series(board, lambda record: record.nll_by_samples)
    counts = sorted({point.x for one in series for point in one.points})
    rows = []
    for one in series:
        found = {point.x: (point.y, point.y_error) for point in one.points}
        rows.append((one.name, *(format_sample("nll", *found.get(count, (None,))) for count in counts)))
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


def _series_and_rows(
    board: Board, metrics: Sequence[str], points_of: Callable[[Sequence[Sample]], Iterable[Point | None]]
) -> tuple[tuple[Series, ...], tuple[tuple[str, ...], ...]]:
    """The series and the row of the table of every ranked row, and of every reported row that has a point."""
    found: list[tuple[Series, list[Sample]]] = []
    for row, naming in zip(board.rows, name_rows(board), strict=False):
        cells = [row.cells.get(metric) for metric in metrics]
        values = [Sample(cell.mean, cell.std, cell.n) if cell else NOTHING for cell in cells]
        found.append((Series(naming.full, (), naming.family, naming.short, naming.key), values))
    for number, reported in enumerate(board.reported, 1):
        values = [Sample(reported.metrics.get(metric), None, 1) for metric in metrics]
        label = f"{reported.model} (reported)"
        found.append((Series(label, (), REPORTED, label, f"{REPORTED}-{number}"), values))
    series, rows = [], []
    for empty, values in found:
        points = drawable(point for point in points_of(values) if point)
        if points or empty.look != REPORTED:
            series.append(replace(empty, points=points))
            texts = (
                format_sample(metric, value.mean, value.std) for metric, value in zip(metrics, values, strict=True)
            )
            rows.append((empty.name, *texts))
    return tuple(series), tuple(rows)


def mean_series(board: Board, curve_of: Callable[[Record], Mapping[int, float]]) -> tuple[Series, ...]:
    """A series for each ranked row: the mean over its seeds of their curves, at every x that all of them have."""
    found = []
    for row, naming in zip(board.rows, name_rows(board), strict=False):
        curves = [curve_of(record) for record in row.records]
        shared = set.intersection(*map(set, curves)) if curves else set()
        samples = {x: [curve[x] for curve in curves] for x in sorted(shared)}
        points = (Point(x, mean_of(values), None, sample_of(values).std) for x, values in samples.items())
        found.append(Series(naming.full, drawable(points), naming.family, naming.short, naming.key))
    return tuple(found)


def _point(x: Sample, y: Sample, scale: float = 1.0) -> Point | None:
    """The point of two means, y times `scale`; None if one is missing."""
    if x.mean is None or y.mean is None:
        return None
    return Point(x.mean, scale * y.mean, x.std, None if y.std is None else scale * y.std)


def drawable(points: Iterable[Point]) -> tuple[Point, ...]:
    def bearable(*numbers: float | None) -> bool:
        return all(number is None or (isfinite(number) and abs(number) < LARGEST_DRAWN) for number in numbers)

    return tuple(point for point in points if bearable(point.x, point.y, point.x_error, point.y_error))


def _is_of(metric: str, family: str) -> bool:
    prefix, _, count = metric.rpartition("_")
    return prefix == family and (count.isdigit() or count == "all")
