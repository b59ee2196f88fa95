"""Records -> boards: means and spreads over seeds, and which rows are comparable. Does not import torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from mae_bench.boards.conditions import (
    ROW,
    comparable_with,
    describe_difference,
    frame_of_runs,
    reference_conditions,
    shortened,
)
from mae_bench.boards.doubt import doubt_about
from mae_bench.boards.samples import samples_note
from mae_bench.boards.significance import inseparable_from_best
from mae_bench.boards.spread import Sample, mean_of, sample_of
from mae_bench.metrics.catalogue import NLL_FALL, board_order, metric_kind
from mae_bench.planning.task import DEFAULT_PRESET, PRESETS, ReportedRow, Task
from mae_bench.records.schema import Metric, Record

if TYPE_CHECKING:
    import pandas as pd

Standing = Literal["ranked", "breaks a law", "implausible", "partial", "not comparable", "trained elsewhere"]


@dataclass(frozen=True)
class Cell:
    """One metric of one row.

    mean, std: over the n seeds; std has ddof = 1 and is None for one seed. mean is None unless every seed has a finite
    value, so that a model does not look better for diverging at one seed. stderr: the mean over seeds of the standard
    error over test images; None if a seed has none. draw_std: for a probe, the mean over seeds of the standard
    deviation (ddof = 1) over its runs with the same model; None if a seed has one run. draw_stderr: the part of the
    mean's standard error that is due to these runs; all seeds share their labelled images, so more seeds do not make
    it smaller. reason: why the mean is absent, or a remark about it.
    """

    mean: float | None
    std: float | None
    n: int
    stderr: float | None
    draw_std: float | None = None
    draw_stderr: float | None = None
    reason: str | None = None
    bold: bool = False


@dataclass(frozen=True)
class Row:
    """One model on one board.

    standing: "ranked"; "breaks a law" or "implausible", one record that is doubted (`mae_bench.boards.doubt`);
    "partial", one record whose training was cut short; "not comparable", measured under other conditions than the
    ranked rows; or "trained elsewhere", under another protocol than that of the board, which only scored it. reason:
    why the row is not ranked. note: what distinguishes it from other rows with its label, or its runs from each
    other. records: those that the row averages, one per seed.
    """

    label: str
    name: str
    params: dict[str, Any]
    seeds: tuple[int, ...]
    cells: dict[str, Cell]
    standing: Standing = "ranked"
    reason: str | None = None
    note: str | None = None
    records: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Board:
    """All that is known about one (task, task version, preset).

    metrics: the columns, in the order of the catalogue: those that the records measured or do not support or, if
    nothing ran, those that were reported. rows: by the task's `primary` metric, best first; rows without it come last.
    unranked: rows of doubted records, of models that were trained elsewhere, of runs that are not comparable, and
    partial ones, in this
    order. notes: sentences about the whole board.
    """

    task: str
    title: str
    version: int
    preset: str
    primary: str
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]
    unranked: tuple[Row, ...]
    reported: tuple[ReportedRow, ...]
    notes: tuple[str, ...]


def boards(records: Sequence[Record], tasks: Sequence[Task], verified: frozenset[str] = frozenset()) -> list[Board]:
    """One board for each (task, task version, preset) of `records`, in the order of `tasks` and then of the presets.

    A task with reported rows and no record gets a board of only those, at the default preset. A model is its name and
    parameters; its records are averaged over seeds only if the adapter's code and `CONDITIONS` agree too. Of several
    records of one run, the newest complete one is used. verified: the hashes of the records that a reviewer has rerun.
    """
    by_name = {task.name: task for task in tasks}
    found: list[Board] = []
    if records:
        by_board = frame_of_runs(records).groupby(["task", "version", "preset"])
        found += [_board(by_name, runs, verified) for _, runs in by_board]
    ran = {board.task for board in found}
    found += [_reported_board(task) for task in tasks if task.reported and task.name not in ran]

    def order(board: Board) -> tuple[int, str, int, int, str]:
        place = list(by_name).index(board.task) if board.task in by_name else len(by_name)
        preset = PRESETS.index(board.preset) if board.preset in PRESETS else len(PRESETS)
        return (place, board.task, -board.version, preset, board.preset)

    return sorted(found, key=order)


def _board(tasks: Mapping[str, Task], runs: pd.DataFrame, verified: frozenset[str]) -> Board:
    first: Record = runs["record"].iloc[0]
    name, version, preset = first.task.name, first.task.version, first.preset
    task = tasks.get(name)
    current = task is not None and task.version == version and preset in task.presets
    declared = task.protocol_hash(preset) if task is not None and current else None
    own = runs["trained"] == ""
    reference = reference_conditions(runs[own] if own.any() else runs, declared)
    comparable = comparable_with(runs, reference)
    metrics = sorted(
        {m for record in runs["record"] for m in (*record.all_metrics, *record.not_supported)}, key=board_order
    )
    primary = _primary(task)

    doubts = {record.record_hash: doubt_about(record, task, verified) for record in runs["record"]}
    doubted = runs["record_hash"].map(lambda record_hash: doubts[record_hash] is not None)
    candidates = runs["complete"] & own & comparable
    rows = [row for row, _ in _rows_with_runs(runs[candidates & ~doubted], metrics)]
    rows.sort(key=lambda row: _rank(row, primary))
    apart = [
        replace(_row([record], metrics), standing=doubt.kind, reason=doubt.reason)
        for record in runs.loc[candidates & doubted, "record"]
        if (doubt := doubts[record.record_hash])
    ]
    other = [
        replace(row, standing="not comparable", reason=describe_difference(group.iloc[0], reference))
        for row, group in _rows_with_runs(runs[runs["complete"] & own & ~comparable], metrics)
    ]
    elsewhere = [
        replace(row, standing="trained elsewhere", reason=_origin(row.records[0], group.iloc[0], reference))
        for row, group in _rows_with_runs(runs[runs["complete"] & ~own], metrics)
    ]
    elsewhere.sort(key=lambda row: _rank(row, primary))
    partial = [
        replace(_row([record], metrics), standing="partial", reason=record.training.reason)
        for record in runs.loc[~runs["complete"], "record"]
    ]
    notes = []
    if task is not None and task.version != version:
        notes.append(f"These records are of version {version} of the task, which is now at version {task.version}.")
    elif declared is not None and declared != reference["protocol"]:
        notes.append(
            f"These records were measured under protocol {shortened(reference['protocol'])}, but the task file now "
            f"declares {shortened(declared)}: run the models again."
        )
    falls = [(row.label, _mean(row, "nll"), _mean(row, NLL_FALL)) for row in rows]
    if unsettled := samples_note(falls):
        notes.append(unsettled)
    return Board(
        task=name,
        title=name if task is None else task.title,
        version=version,
        preset=preset,
        primary=primary,
        metrics=tuple(metrics),
        rows=tuple(_embolden(rows, metrics)),
        unranked=(*apart, *elsewhere, *other, *partial),
        reported=() if task is None else task.reported,
        notes=tuple(notes),
    )


def _reported_board(task: Task) -> Board:
    return Board(
        task=task.name,
        title=task.title,
        version=task.version,
        preset=DEFAULT_PRESET if DEFAULT_PRESET in task.presets else next(iter(task.presets)),
        primary=_primary(task),
        metrics=tuple(sorted({metric for row in task.reported for metric in row.metrics}, key=board_order)),
        rows=(),
        unranked=(),
        reported=task.reported,
        notes=("No model has been measured here yet.",),
    )


def _primary(task: Task | None) -> str:
    """The metric that rows are sorted by: bits per dimension for images that are not binary, else NLL in nats."""
    grey = task is not None and task.data.likelihood == "discretized_logistic_mixture"
    return "bits_per_dim" if grey else "nll"


def _mean(row: Row, metric: str) -> float | None:
    return row.cells[metric].mean if metric in row.cells else None


def _rank(row: Row, primary: str) -> tuple[bool, float, str]:
    mean = _mean(row, primary)
    return (mean is None, 0.0 if mean is None else mean, row.label)


def _origin(record: Record, run: pd.Series[Any], reference: pd.Series[Any]) -> str:
    """In words, where a model that this board only scored was trained, and how else it differs from ranked rows."""
    assert record.trained is not None, "only rows of models that were trained elsewhere have an origin"
    task, preset = record.trained.task, record.trained.preset
    origin = f"trained on {task.name}, task version {task.version}, preset {preset}; scored here without training"
    alike = comparable_with(run.to_frame().T, reference).all()
    return origin if alike else f"{origin}, {describe_difference(run, reference)}"


def _rows_with_runs(runs: pd.DataFrame, metrics: Sequence[str]) -> list[tuple[Row, pd.DataFrame]]:
    """One row for all runs that share `ROW`; if adapter code differs within a label, notes tell the rows apart."""
    found = []
    for (label, source, *_), group in runs.groupby(ROW):
        several = runs.loc[runs["label"] == label, "adapter_source"].nunique() > 1
        row = _row(list(group["record"]), metrics)
        notes = [row.note, f"adapter code {shortened(source)}" if several else None]
        found.append((replace(row, note=", ".join(note for note in notes if note) or None), group))
    return found


def _row(records: Sequence[Record], metrics: Sequence[str]) -> Row:
    model, trained = records[0].model, records[0].trained
    shown = [record.all_metrics for record in records]
    compiled = sum(record.training.compiled for record in records)
    notes = [f"trained on {trained.place}"] if trained else []
    if 0 < compiled < len(records):  # the same draws and losses, rounded differently
        notes.append(f"steps compiled in {compiled} of {len(records)} runs")
    return Row(
        label=model.label,
        name=model.name,
        params=model.params,
        seeds=tuple(record.seed for record in records),
        cells={metric: _cell(records, shown, metric) for metric in metrics},
        note=", ".join(notes) or None,
        records=tuple(records),
    )


def _cell(records: Sequence[Record], shown: Sequence[Mapping[str, Metric]], metric: str) -> Cell:
    """shown: the metrics of each record, derived ones included."""
    n = len(records)
    for record, metrics in zip(records, shown, strict=True):
        measured = metrics.get(metric)
        if measured is None:
            asked = "nll" if metric == NLL_FALL else metric
            reason = record.not_supported.get(asked, f"not measured at seed {record.seed}")
            return Cell(None, None, n, None, reason=reason)
        if measured.value is None:
            return Cell(None, None, n, None, reason=f"seed {record.seed}: {measured.reason or 'not finite'}")
    found = [metrics[metric] for metrics in shown]
    sample = sample_of([one.value for one in found if one.value is not None])
    errors = [one.stderr for one in found if one.stderr is not None]
    spreads = [std for one in found if (std := sample_of(one.draws).std) is not None]
    several = len(spreads) == n
    by_draw = sample_of([mean_of(draw) for draw in zip(*(one.draws for one in found), strict=False)])
    remarks = dict.fromkeys(one.reason for one in found if one.reason)
    return Cell(
        mean=sample.mean,
        std=sample.std,
        n=n,
        stderr=mean_of(errors) if len(errors) == n else None,
        draw_std=mean_of(spreads) if several else None,
        draw_stderr=(by_draw.std or 0.0) / by_draw.n**0.5 if several else None,
        reason="; ".join(remarks) or None,
    )


def _embolden(rows: list[Row], metrics: Sequence[str]) -> list[Row]:
    bold = {
        metric: inseparable_from_best(
            [Sample(cell.mean, cell.std, cell.n) for cell in (row.cells[metric] for row in rows)],
            metric_kind(metric).direction,
        )
        for metric in metrics
    }
    return [
        replace(row, cells={metric: replace(cell, bold=i in bold[metric]) for metric, cell in row.cells.items()})
        for i, row in enumerate(rows)
    ]
