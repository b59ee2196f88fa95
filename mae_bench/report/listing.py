"""What `list` prints: tables of models, tasks and suites, as wide as the terminal or, in a pipe, as they need."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from mae_bench.metrics.catalogue import MEANINGS, MetricKind
from mae_bench.planning.names import model_label
from mae_bench.planning.registry import ModelListing, TaskListing
from mae_bench.planning.task import DEFAULT_PRESET, PRESETS, Task

if TYPE_CHECKING:
    from rich.table import Table

    from mae_bench.planning.suites import Suite, SuiteListing

WIDTH_OF_A_PIPE = 10_000


def print_models(listings: Sequence[ModelListing], stream: TextIO) -> None:
    """Print a row for each model: how it is written with its defaults, where it comes from, what it is."""
    table = _table("model and defaults", "origin", "description")
    for listing in listings:
        label = model_label(listing.offer.name, listing.params)
        _add_row(table, label, listing.offer.place, listing.fault or listing.description)
    presets = ", ".join(PRESETS)
    _print(table, f"Every model is built for the preset of its run ({presets}; {DEFAULT_PRESET} by default).", stream)


def print_tasks(listings: Sequence[TaskListing], stream: TextIO) -> None:
    """Print a row for each task: its presets, its data, where it comes from, what it is."""
    table = _table("task", "presets", "images", "train/validation/test", "origin", "description")
    for listing in listings:
        name, place = listing.offer.name, listing.offer.place
        if listing.task is None:
            _add_row(table, name, "", "", "", place, listing.fault or "")
        else:
            _add_row(
                table, name, ", ".join(listing.task.presets), *_data(listing.task), place, listing.task.description
            )
    _print(table, f"The preset is {DEFAULT_PRESET} by default.", stream)


def print_suites(listings: "Sequence[SuiteListing]", stream: TextIO) -> None:
    """Print a row for each suite: what it runs, and what it is."""
    table = _table("suite", "models", "tasks", "seeds", "tables", "description")
    for listing in listings:
        suite = listing.suite
        if suite is None:
            _add_row(table, listing.name, "", "", "", "", listing.fault or "")
        else:
            seeds = ", ".join(str(seed) for seed in suite.seeds)
            _add_row(table, listing.name, *_runs(suite), seeds, str(len(suite.tables)), suite.title)
    _print(table, "A suite runs at any preset; the path of a TOML file names one of your own.", stream)


def print_metrics(kinds: Sequence[MetricKind], stream: TextIO) -> None:
    """Print a row for each metric: how boards call it, its unit, which values are better, and what it means."""
    table = _table("metric", "on boards", "unit", "better", "meaning")
    for kind in kinds:
        _add_row(table, kind.name, kind.title, kind.unit, kind.direction, MEANINGS[kind.name])
    _print(table, "N: a number of clusters or of labelled images, or all. Equations: docs/protocol.md.", stream)


def _runs(suite: "Suite") -> tuple[str, str]:
    """The suite's models and tasks as they are written, each once."""
    models = [*suite.models, *(row.model for table in suite.tables for row in table.rows if row.model)]
    tasks = [*suite.tasks, *(table.task for table in suite.tables)]
    return ", ".join(dict.fromkeys(models)), ", ".join(dict.fromkeys(tasks))


def _data(task: Task) -> tuple[str, str]:
    data = task.data
    classes = f"{data.classes} classes" if data.classes else "no labels"
    images = f"{'x'.join(str(size) for size in data.shape)}, {data.likelihood.replace('_', ' ')}, {classes}"
    return images, f"{data.train_size}/{data.validation_size}/{data.test_size}"


def _table(*headings: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _add_row(table: "Table", *cells: str) -> None:
    from rich.text import Text

    table.add_row(*(Text(cell) for cell in cells))


def _print(table: "Table", footnote: str, stream: TextIO) -> None:
    from rich.console import Console

    console = Console(file=stream, width=None if stream.isatty() else WIDTH_OF_A_PIPE)
    console.print(table)
    console.print(footnote, markup=False, highlight=False)
