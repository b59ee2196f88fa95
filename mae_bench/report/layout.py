"""A board as text, before it is drawn: headings, cells and notes, the same for every output."""

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from math import floor, isfinite, log10

from mae_bench.boards.aggregate import Board, Row
from mae_bench.boards.significance import ALPHA
from mae_bench.foundation.text import printable
from mae_bench.metrics.catalogue import MEANINGS, metric_kind
from mae_bench.planning.task import ReportedRow
from mae_bench.review.badges import NO_BADGES, Badges

ABSENT = "–"
ARROWS = {"lower": " ↓", "higher": " ↑", "none": ""}
LEGEND = (
    "Mean ± standard deviation over seeds. test s.e.: standard error over the test images, mean over seeds. "
    "↓ lower is better, ↑ higher is better. Nats an image; accuracies in per cent. "
    "NLL fall: what the last factor of four in importance samples took off the NLL. "
    f"Bold: the best and every row that Welch's test with Holm's correction ({100 * ALPHA:.0f} %) cannot separate from "
    "it; a row of one seed or without variance is not tested. Rows that break a law, are implausible, partial, not "
    "comparable, trained elsewhere or reported are not ranked. Verified: a reviewer evaluated or trained every record "
    "of the row again, and it agreed."
)
NO_BOARDS = "There is no record here and no reported row: measure a model with mae-bench run."


@dataclass(frozen=True)
class TextCell:
    """What stands in one cell. value: the number that its column is sorted by, None if there is none."""

    text: str
    bold: bool = False
    value: float | None = None


@dataclass(frozen=True)
class Column:
    """A metric's column of a board, or that of its standard error over the test images."""

    metric: str
    stderr: bool = False

    @property
    def heading(self) -> str:
        """The metric's title, with an arrow in the direction that is better."""
        kind = metric_kind(self.metric)
        return "test s.e." if self.stderr else kind.title + ARROWS[kind.direction]


@dataclass(frozen=True)
class Layout:
    """A board as text.

    headings and the cells of every row: the model, its seeds, then the metrics. notes: sentences beneath the table.
    All text from outside is printable; none is escaped for any markup.
    """

    heading: str
    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[TextCell, ...], ...]
    notes: tuple[str, ...]


def board_columns(board: Board) -> list[Column]:
    """The columns of `board`: its metrics, and after the primary one its standard error if a row has it."""
    has_stderr = any(_stderr(row, board.primary) is not None for row in (*board.rows, *board.unranked))
    columns = []
    for metric in board.metrics:
        columns.append(Column(metric))
        if metric == board.primary and has_stderr:
            columns.append(Column(metric, stderr=True))
    return columns


def compact_columns(board: Board) -> list[str]:
    """The metrics of `board` to show first: its primary one, and one for each question that people ask of a VAE."""
    wanted = (board.primary, "kl", "active_units", "kmeans_10", "knn_100", "linear_100")
    return [metric for metric in board.metrics if metric in wanted]


def lay_out(board: Board, badges: Badges = NO_BADGES, shown: Sequence[str] | None = None) -> Layout:
    """The text of `board`: ranked rows, then those not ranked, then the reported ones; those not ranked say so.

    shown: the metrics to show; None for all, each with what belongs to it.
    """
    columns = board_columns(board) if shown is None else [Column(one) for one in board.metrics if one in shown]
    citations = list(dict.fromkeys(row.citation for row in board.reported))
    rows = [_row(row, columns, badges) for row in (*board.rows, *board.unranked)]
    rows += [_reported_row(row, columns, citations.index(row.citation) + 1) for row in board.reported]
    notes = [
        *board.notes,
        *(note for row in (*board.rows, *board.unranked) for note in _notes(row, {one.metric for one in columns})),
        *(f"[{number}] {citation}" for number, citation in enumerate(citations, 1)),
    ]
    return Layout(
        heading=printable(f"{board.task}, preset {board.preset}"),
        caption=printable(f"{board.title}. Task version {board.version}."),
        headings=("model", "seeds", *(column.heading for column in columns)),
        rows=tuple(rows),
        notes=tuple(printable(note) for note in notes),
    )


def _row(row: Row, columns: Sequence[Column], badges: Badges) -> tuple[TextCell, ...]:
    count = str(len(row.seeds))
    seeds = {"ranked": count, "trained elsewhere": f"{count}, {row.standing}"}.get(row.standing, row.standing)
    verified = ", verified" if badges.of(row) == "verified" else ""
    return (TextCell(row_label(row)), TextCell(seeds + verified), *(_cell(row, column) for column in columns))


def _cell(row: Row, column: Column) -> TextCell:
    if not column.stderr:
        cell = row.cells[column.metric]
        return TextCell(format_mean(column.metric, cell.mean, cell.std), cell.bold, cell.mean)
    value = _stderr(row, column.metric)
    return TextCell(format_mean(column.metric, value), value=value)


def _reported_row(row: ReportedRow, columns: Sequence[Column], citation: int) -> tuple[TextCell, ...]:
    values = [None if column.stderr else row.metrics.get(column.metric) for column in columns]
    cells = [
        TextCell(format_mean(column.metric, value), value=value) for column, value in zip(columns, values, strict=True)
    ]
    return (TextCell(f"{printable(row.model)} [{citation}]"), TextCell("reported"), *cells)


def row_label(row: Row) -> str:
    """The model, and in brackets what tells the row from its like: a note, and the seed of a run that was cut short."""
    seed = f"seed {row.seeds[0]}" if row.standing in ("partial", "implausible", "breaks a law") else None
    apart = ", ".join(note for note in (row.note, seed) if note)
    return printable(f"{row.label} ({apart})" if apart else row.label)


def _stderr(row: Row, metric: str) -> float | None:
    return row.cells[metric].stderr if metric in row.cells else None


def format_mean(metric: str, mean: float | None, spread: float | None = None, absent: str = ABSENT) -> str:
    """A mean ± its spread, if there is one, in the decimals of the metric's unit; `absent` if there is no mean."""
    if mean is None:
        return absent
    return format_value(metric, mean) + ("" if spread is None else f" ± {format_value(metric, spread)}")


def format_sample(metric: str, mean: float | None, spread: float | None = None) -> str:
    """Like `format_mean`, in the decimals that the spread leaves certain: those of its first two digits.

    Never more than one beyond those of the metric's unit. For pages, where a column need not be of one width.
    """
    kind = metric_kind(metric)
    scale = 100 if kind.unit == "accuracy" else 1
    if mean is None or spread is None or not isfinite(spread):
        return format_mean(metric, mean, spread)
    if spread == 0:
        return f"{format_value(metric, mean)} ± 0"
    decimals = min(max(1 - floor(log10(scale * spread)), 0), kind.decimals + 1)
    return f"{scale * mean:.{decimals}f} ± {scale * spread:.{decimals}f}"


def meaning_of(metric: str) -> str:
    """A line for someone who does not know `metric`; the number in a probe's name stands for N."""
    return MEANINGS.get(re.sub(r"_(\d+|all)(?=_|$)", "_N", metric)) or title_with_unit(metric)


def format_value(metric: str, value: float) -> str:
    """`value` in the decimals of its unit, accuracies in per cent; without the unit."""
    kind = metric_kind(metric)
    return f"{100 * value if kind.unit == 'accuracy' else value:.{kind.decimals}f}"


def title_with_unit(metric: str, between: str = ", ") -> str:
    """ "NLL, nats"; "bits/dim", whose title is its unit."""
    kind = metric_kind(metric)
    return between.join(dict.fromkeys((kind.title, kind.unit)))


def _notes(row: Row, shown: Set[str]) -> list[str]:
    """Why the row is not ranked, and the reasons of the cells that are shown."""
    label = row_label(row)
    notes = [] if row.standing == "ranked" else [f"{label}: {row.standing}: {row.reason}"]
    return notes + describe_reasons(
        label, {metric: cell.reason for metric, cell in row.cells.items() if metric in shown}
    )


def describe_reasons(label: str, reasons: Mapping[str, str | None]) -> list[str]:
    """A note for each reason why cells of the row `label` are empty, or what to know of them, with all its metrics."""
    titles: dict[str, list[str]] = {}
    for metric, reason in reasons.items():
        if reason is not None:
            titles.setdefault(reason, []).append(metric_kind(metric).title)
    return [f"{label}: {', '.join(metrics)}: {reason}" for reason, metrics in titles.items()]
