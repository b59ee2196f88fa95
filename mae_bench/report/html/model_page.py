"""The page of one model on one board: parameters, every seed's numbers, training, provenance, how to run it again."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mae_bench.boards.aggregate import Board, Row
from mae_bench.foundation.canonical import canonical_json
from mae_bench.foundation.content import content_folder
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.records.schema import Metric, Record
from mae_bench.report.html.drawing import key_of
from mae_bench.report.html.pages import page_plot, render
from mae_bench.report.html.view import UNITS, BoardView
from mae_bench.report.layout import ABSENT, ARROWS, TextCell, format_sample, format_value, row_label
from mae_bench.report.systems import short_label
from mae_bench.report.training_plots import SEED_LOOKS, training_by_seed

STAND_IN = "path/to/file.py"
"""Stands for the file of a model that does not come with mae-bench."""


@dataclass(frozen=True)
class MetricRow:
    """One metric: the mean over seeds as the board has it, and every seed's value with its standard error."""

    title: str
    unit: str
    mean: TextCell
    seeds: tuple[str, ...]


@dataclass(frozen=True)
class ProvenanceRow:
    """One fact about the runs: a value for each seed, or a single one if all seeds share it."""

    name: str
    values: tuple[str, ...]


def _commit(record: Record) -> str | None:
    environment = record.environment
    changed = " with uncommitted changes" if environment.git_dirty else ""
    return None if environment.git_commit is None else f"{environment.git_commit}{changed}"


def _device(record: Record) -> str:
    trained = record.training.machine
    return f"{record.environment.device}{f', after training by {trained}' if trained else ''}"


FACTS: dict[str, Callable[[Record], object]] = {
    "Training ended": lambda record: f"{record.training.status}: {record.training.reason}",
    "Epochs": lambda record: record.training.epochs,
    "Steps": lambda record: f"{record.training.steps}{', compiled' if record.training.compiled else ''}",
    "Training steps in": lambda record: record.training.matrix_precision,
    "Best epoch": lambda record: record.training.best_epoch,
    "Trainable parameters": lambda record: f"{record.training.parameters:,}",
    "Training, seconds": lambda record: f"{record.clocks.training_seconds:.1f}",
    "Evaluation, seconds": lambda record: f"{record.clocks.evaluation_seconds:.1f}",
    "Trained on": lambda record: record.trained.place if record.trained else f"{record.task.name} {record.preset}",
    "Peak memory, MiB": lambda record: ", ".join(
        f"{where} {mib:.1f}" for where, mib in sorted(record.peak_memory_mib.items())
    ),
    "Created (UTC)": lambda record: record.created,
    "Device": _device,
    "Processor": lambda record: record.environment.processor,
    "Threads": lambda record: record.environment.threads,
    "Platform": lambda record: record.environment.platform,
    "Python": lambda record: record.environment.python,
    "PyTorch": lambda record: record.environment.torch,
    "mae-bench": lambda record: record.environment.mae_bench,
    "Git commit of mae-bench": _commit,
    "Engine version": lambda record: record.engine_version,
    "Precision": lambda record: record.precision,
    "SHA-256 of the model's code": lambda record: record.hashes.adapter_source,
    "SHA-256 of the protocol": lambda record: record.hashes.protocol,
    "SHA-256 of the data": lambda record: record.hashes.data,
    "SHA-256 of the validation bits": lambda record: record.hashes.validation_bits,
    "SHA-256 of the test bits": lambda record: record.hashes.test_bits,
    "Key of the job": lambda record: record.key,
    "SHA-256 of the record": lambda record: record.record_hash,
}
"""What the page says of every run, in this order."""


def render_model(view: BoardView, page: str, numbers: Sequence[int], records: Path | None) -> str:
    """The page of one model of `view`.

    page: its name. numbers: of its rows. records: the folder of the records, as seen from that of the site.
    """
    rows = [view.measured[number] for number in numbers]
    return render(
        view.model_address(page),
        "model.html",
        title=short_label(rows[0].name, rows[0].params),
        label=rows[0].label,
        family=view.namings[numbers[0]].family,
        board_heading=view.layout.heading,
        board_address=view.address,
        preset=view.preset,
        newest=view.newest,
        name=rows[0].name,
        params={name: canonical_json(value) for name, value in sorted(rows[0].params.items())},
        sections=[
            {"pictures": view.pictures[place], **_section(view.board, row, number, view.rows[place].badge, records)}
            for number, (place, row) in enumerate(zip(numbers, rows, strict=True), 1)
        ],
    )


def _section(board: Board, row: Row, number: int, badge: str | None, records: Path | None) -> dict[str, Any]:
    plot = training_by_seed(row.records, f"training-{number}")
    command, wanting = reproduction(board, row)
    looks = [look for series in plot.series if (look := series.look) in SEED_LOOKS]
    return {
        "key": f"runs-{number}",
        "label": row_label(row),
        "standing": row.standing,
        "reason": row.reason,
        "badge": badge,
        "seeds": [str(seed) for seed in row.seeds],
        "metrics": [_metric_row(board, row, metric) for metric in board.metrics],
        "plot": page_plot(plot) if plot.has_points else None,
        "looks": [(look, f"seed {seed}", key_of(look)) for look, seed in zip(looks, row.seeds, strict=True)],
        "provenance": [_provenance_row(name, fact, row.records) for name, fact in FACTS.items()],
        "files": _record_files(row.records, records),
        "command": command,
        "wanting": wanting,
    }


def _metric_row(board: Board, row: Row, metric: str) -> MetricRow:
    kind, cell = metric_kind(metric), row.cells[metric]
    mean = TextCell(format_sample(metric, cell.mean, cell.std), cell.bold)
    unit = UNITS.get(kind.unit, kind.unit)
    values = tuple(_seed_value(metric, record) for record in row.records)
    return MetricRow(kind.title + ARROWS[kind.direction], unit, mean, values)


def _seed_value(metric: str, record: Record) -> str:
    """The value and, in brackets, its standard error; if there is no value, why."""
    found: Metric | None = record.all_metrics.get(metric)
    if found is None:
        return f"{ABSENT} {record.not_supported.get(metric, 'not measured')}"
    if found.value is None:
        return f"{ABSENT} {found.reason or 'not finite'}"
    stderr = "" if found.stderr is None else f" ({format_value(metric, found.stderr)})"
    return format_value(metric, found.value) + stderr


def _provenance_row(name: str, fact: Callable[[Record], object], records: Sequence[Record]) -> ProvenanceRow:
    values = tuple(ABSENT if value is None else str(value) for value in map(fact, records))
    return ProvenanceRow(name, values[:1] if len(set(values)) == 1 else values)


def _record_files(runs: Sequence[Record], folder: Path | None) -> list[tuple[int, str]]:
    """(seed, address) of every record's file; none if the records do not lie in the site's folder."""
    if folder is None:
        return []
    return [
        (run.seed, (folder / run.task.name / run.preset / run.model.name / f"{run.key}.json").as_posix())
        for run in runs
    ]


def reproduction(board: Board, row: Row) -> tuple[str, list[str]]:
    """The command that runs every job of `row` again, and sentences about what it needs beside this mae-bench.

    If the models were trained elsewhere there are two commands, one a line: the first trains, the second scores.
    """
    needs = []
    trained = [record.trained for record in row.records if record.trained]
    task, preset = (trained[0].task.name, trained[0].preset) if trained else (board.task, board.preset)
    models, evaluation = row.label, {"--tasks": board.task, "--preset": board.preset}
    if not (content_folder("baselines") / f"{row.name}.py").is_file():
        models = STAND_IN + row.label.removeprefix(row.name)
        evaluation["--model-file"] = STAND_IN
        needs.append(
            f"{row.name} does not come with mae-bench: {STAND_IN} stands for the file with its class, whose text has "
            f"the SHA-256 {row.records[0].hashes.adapter_source}."
        )
    for name in sorted({task, board.task}):
        if not (content_folder("tasks") / f"{name}.toml").is_file():
            needs.append(
                f"The task {name} does not come with mae-bench: install the package that offers it, or give "
                "the path of its TOML file."
            )
    if row.standing == "partial":
        needs.append("The training of this run was cut short by a clock, so a new one may end elsewhere.")
    options = {"--models": models, "--tasks": task, "--preset": preset}
    options["--seeds"] = ",".join(str(seed) for seed in row.seeds)
    devices = {"cpu" if record.environment.device == "cpu" else "cuda" for record in row.records}
    if len(devices) == 1:
        options["--device"] = evaluation["--device"] = devices.pop()
    commands = [_command("run", [], options)]
    if trained:
        folders = [f"results/{task}/{preset}/{row.name}/{one.key}" for one in trained]
        commands.append(_command("evaluate", folders, evaluation))
    return "\n".join(commands), needs


def _command(verb: str, arguments: Sequence[str], options: Mapping[str, str]) -> str:
    words = [word for option, value in options.items() for word in (option, value)]
    return shlex.join(["mae-bench", verb, *arguments, *words])
