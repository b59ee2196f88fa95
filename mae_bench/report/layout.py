"""A board as text, before it is drawn: headings, cells and notes, the same for every output."""

from collections.abc import Sequence
from dataclasses import dataclass

from mae_bench.metrics.catalogue import metric_kind
from mae_bench.records.aggregate import Board, Cell, Row
from mae_bench.records.significance import ALPHA
from mae_bench.task import ReportedRow
from mae_bench.text import printable

ABSENT = "–"
ARROWS = {"lower": " ↓", "higher": " ↑", "none": ""}
DECIMALS = {"nats": 2, "bits/dim": 3, "accuracy": 1, "samples": 1, "units": 1}
LEGEND = (
    "Mean ± standard deviation over seeds. test s.e.: standard error over the test images, mean over seeds. "
    "↓ lower is better, ↑ higher is better. Nats an image; accuracies in per cent. "
    f"Bold: the best and every row that Welch's test with Holm's correction ({100 * ALPHA:.0f} %) cannot separate from "
    "it; a row of one seed or without variance is not tested. Partial, not comparable and reported rows are not ranked."
)
NO_BOARDS = "There is no record here and no reported row: measure a model with mae-bench run."


@dataclass(frozen=True)
class TextCell:
    """What stands in one cell."""

    text: str
    bold: bool = False


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


def lay_out(board: Board) -> Layout:
    """The text of `board`: ranked rows, then those not ranked, then the reported ones, each marked as such."""
    has_stderr = any(_stderr(row, board.primary) is not None for row in (*board.rows, *board.unranked))
    columns: list[tuple[str, bool]] = []
    for metric in board.metrics:
        columns.append((metric, False))
        if metric == board.primary and has_stderr:
            columns.append((metric, True))
    citations = list(dict.fromkeys(row.citation for row in board.reported))
    rows = [_row(row, columns) for row in (*board.rows, *board.unranked)]
    rows += [_reported_row(row, columns, citations.index(row.citation) + 1) for row in board.reported]
    notes = [
        *board.notes,
        *(note for row in (*board.rows, *board.unranked) for note in _notes(row)),
        *(f"[{number}] {citation}" for number, citation in enumerate(citations, 1)),
    ]
    return Layout(
        heading=printable(f"{board.task}, preset {board.preset}"),
        caption=printable(f"{board.title}. Task version {board.version}."),
        headings=("model", "seeds", *(_heading(metric, stderr) for metric, stderr in columns)),
        rows=tuple(rows),
        notes=tuple(printable(note) for note in notes),
    )


def _heading(metric: str, stderr: bool) -> str:
    kind = metric_kind(metric)
    return "test s.e." if stderr else kind.title + ARROWS[kind.direction]


def _row(row: Row, columns: Sequence[tuple[str, bool]]) -> tuple[TextCell, ...]:
    seeds = str(len(row.seeds)) if row.standing == "ranked" else row.standing
    cells = []
    for metric, stderr in columns:
        if stderr:
            value = _stderr(row, metric)
            cells.append(TextCell(ABSENT if value is None else format_value(metric, value)))
        else:
            cells.append(_measured(metric, row.cells[metric]))
    return (TextCell(_label(row)), TextCell(seeds), *cells)


def _reported_row(row: ReportedRow, columns: Sequence[tuple[str, bool]], citation: int) -> tuple[TextCell, ...]:
    cells = [
        TextCell(format_value(metric, row.metrics[metric]) if metric in row.metrics and not stderr else ABSENT)
        for metric, stderr in columns
    ]
    return (TextCell(f"{printable(row.model)} [{citation}]"), TextCell("reported"), *cells)


def _label(row: Row) -> str:
    """The model, and in brackets what tells the row from its like: the seed where it is one cut-short run."""
    seed = f"seed {row.seeds[0]}" if row.standing == "partial" else None
    apart = ", ".join(note for note in (row.note, seed) if note)
    return printable(f"{row.label} ({apart})" if apart else row.label)


def _stderr(row: Row, metric: str) -> float | None:
    return row.cells[metric].stderr if metric in row.cells else None


def _measured(metric: str, cell: Cell) -> TextCell:
    if cell.mean is None:
        return TextCell(ABSENT)
    spread = "" if cell.std is None else f" ± {format_value(metric, cell.std)}"
    return TextCell(format_value(metric, cell.mean) + spread, cell.bold)


def format_value(metric: str, value: float) -> str:
    """`value` in the decimals of its unit, accuracies in per cent; without the unit."""
    unit = metric_kind(metric).unit
    return f"{100 * value if unit == 'accuracy' else value:.{DECIMALS[unit]}f}"


def _notes(row: Row) -> list[str]:
    """Why the row is not ranked, and the reasons of its cells, cells of one reason together."""
    label = _label(row)
    notes = [] if row.standing == "ranked" else [f"{label}: {row.standing}: {row.reason}"]
    titles: dict[str, list[str]] = {}
    for metric, cell in row.cells.items():
        if cell.reason is not None:
            titles.setdefault(cell.reason, []).append(metric_kind(metric).title)
    return notes + [f"{label}: {', '.join(metrics)}: {reason}" for reason, metrics in titles.items()]
