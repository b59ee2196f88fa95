"""A suite's tables as text, in the paper's rows and columns: ours beside the reported ones, and how far they differ."""

from collections.abc import Sequence

from mae_bench.boards.aggregate import Board, Cell, Row, boards
from mae_bench.boards.reported import difference
from mae_bench.foundation.text import printable
from mae_bench.planning.suites import ResolvedRow, Suite, Table, resolve_table
from mae_bench.planning.task import DEFAULT_PRESET, PRESETS, ReportedRow, Task
from mae_bench.records.schema import Record
from mae_bench.report.layout import ABSENT, Column, Layout, TextCell, describe_reasons, format_mean

MISSING = "missing"
NOT_MEASURED = Cell(None, None, 0, None, reason="not measured")
SUITE_LEGEND = (
    "Mean ± standard deviation over seeds; nats an image, accuracies in per cent; ↓ lower, ↑ higher is better. "
    "Difference: ours minus reported ± its standard error, from the spread over seeds, the test images, a probe's "
    "draws of labelled images and the reported spread, if there is one; one seed gives none. "
    "Std over draws: of a probe's runs with the same model on other labelled images, or of K-Means with other random "
    "states; mean over seeds. "
    f"{MISSING}: not measured here."
)
OTHER_PRESET = (
    "Preset {} is not the paper's protocol: the differences say how far its numbers are from the paper's, not whether "
    "those can be reproduced."
)


def lay_out_suite(suite: Suite, records: Sequence[Record], preset: str | None = None) -> list[Layout]:
    """Each table of `suite` once for every preset that has records of its task, or for `preset` alone.

    A table without any record is laid out once, without numbers of ours. UsageError for a wrong model, task, preset or
    reported row.
    """
    layouts = []
    for table in suite.tables:
        task, rows = resolve_table(table)
        own = [record for record in records if record.task.name == task.name and record.task.version == task.version]
        found = {board.preset: board for board in boards(own, [task])} if own else {}
        presets = [preset] if preset else [name for name in PRESETS if name in found] or [DEFAULT_PRESET]
        for name in presets:
            task.protocol(name)
            layouts.append(_lay_out(table, task, name, rows, found.get(name)))
    return layouts


def _lay_out(table: Table, task: Task, preset: str, rows: Sequence[ResolvedRow], board: Board | None) -> Layout:
    ours = [*board.rows, *board.unranked] if board else []
    citations = list(dict.fromkeys(row.reported.citation for row in rows if row.reported))
    notes = [*([] if preset == "paper" else [OTHER_PRESET.format(preset)]), *(board.notes if board else ())]
    lines = []
    for row in rows:
        measured = _measured_row(row, ours)
        if row.model:
            notes += _notes(row.model.label, measured, row, ours, table.metrics)
            lines.append(_our_line(row.model.label, measured, table.metrics))
        if measured and any(cell.draw_std is not None for cell in _cells(measured, table.metrics)):
            lines.append(_draws_line(measured, table.metrics))
        if row.reported:
            lines.append(_reported_line(row.reported, citations.index(row.reported.citation) + 1, table.metrics))
        if measured and row.reported:
            lines.append(_difference_line(measured, row.reported, table.metrics))
    return Layout(
        heading=printable(f"{table.title}, preset {preset}"),
        caption=printable(f"{task.title}. Task {task.name}, version {task.version}."),
        headings=("model", "seeds", *(Column(metric).heading for metric in table.metrics)),
        rows=tuple(lines),
        notes=tuple(printable(note) for note in (*notes, *(f"[{i}] {text}" for i, text in enumerate(citations, 1)))),
    )


def _measured_row(row: ResolvedRow, ours: Sequence[Row]) -> Row | None:
    """The ranked row of the model: of several with different code, the one whose code is the present one."""
    if row.model is None:
        return None
    ranked = [one for one in ours if one.label == row.model.label and one.standing == "ranked"]
    present = [one for one in ranked if one.records[0].hashes.adapter_source == row.model.code_hash]
    return next(iter(present or ranked), None)


def _our_line(label: str, row: Row | None, metrics: Sequence[str]) -> tuple[TextCell, ...]:
    seeds = str(len(row.seeds)) if row else MISSING
    return (TextCell(printable(label)), TextCell(seeds), *(_our_cell(row, metric) for metric in metrics))


def _draws_line(ours: Row, metrics: Sequence[str]) -> tuple[TextCell, ...]:
    spreads = zip(metrics, (cell.draw_std for cell in _cells(ours, metrics)), strict=True)
    return (
        TextCell(""),
        TextCell("std over draws"),
        *(TextCell(format_mean(*spread), value=spread[1]) for spread in spreads),
    )


def _our_cell(row: Row | None, metric: str) -> TextCell:
    cell = _cell(row, metric)
    return TextCell(format_mean(metric, cell.mean, cell.std, MISSING), value=cell.mean)


def _reported_line(row: ReportedRow, citation: int, metrics: Sequence[str]) -> tuple[TextCell, ...]:
    found = [(metric, row.metrics.get(metric)) for metric in metrics]
    cells = [TextCell(format_mean(metric, value, row.spreads.get(metric)), value=value) for metric, value in found]
    return (TextCell(f"{printable(row.model)} [{citation}]"), TextCell("reported"), *cells)


def _difference_line(ours: Row, reported: ReportedRow, metrics: Sequence[str]) -> tuple[TextCell, ...]:
    return (TextCell(""), TextCell("difference"), *(_difference(ours, reported, metric) for metric in metrics))


def _difference(ours: Row, reported: ReportedRow, metric: str) -> TextCell:
    cell, value = _cell(ours, metric), reported.metrics.get(metric)
    found = difference(cell, value, reported.spreads.get(metric)) if value is not None else None
    if found is None:
        return TextCell(ABSENT)
    sign = "+" if found.value >= 0 else ""
    return TextCell(sign + format_mean(metric, found.value, found.standard_error), value=found.value)


def _cell(row: Row | None, metric: str) -> Cell:
    return row.cells.get(metric, NOT_MEASURED) if row else NOT_MEASURED


def _cells(row: Row, metrics: Sequence[str]) -> list[Cell]:
    return [_cell(row, metric) for metric in metrics]


def _notes(
    label: str, measured: Row | None, row: ResolvedRow, ours: Sequence[Row], metrics: Sequence[str]
) -> list[str]:
    """Why a model or its cells are missing, and whether its code has changed since."""
    if measured is None:
        return [f"{label}: {one.standing}: {one.reason}" for one in ours if one.label == label]
    notes = []
    if row.model and measured.records[0].hashes.adapter_source != row.model.code_hash:
        notes.append(f"{label}: measured with other code than the model has now")
    reasons = {metric: _cell(measured, metric).reason for metric in metrics}
    return notes + describe_reasons(label, reasons)
