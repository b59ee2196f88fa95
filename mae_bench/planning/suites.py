"""Suites: what to run under one name, and the tables that show its records. Does not import torch itself.

A suite is a TOML file, built in (`tasks/suites/`) or a user's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import UsageError
from mae_bench.foundation.paths import visible
from mae_bench.foundation.settings import Settings, read_toml, validated
from mae_bench.foundation.source import absolute
from mae_bench.metrics.catalogue import MetricName
from mae_bench.planning.names import did_you_mean
from mae_bench.planning.plan import Job, ModelReference, plan
from mae_bench.planning.registry import resolve_models, resolve_tasks
from mae_bench.planning.task import ReportedRow, Task

Seed = Annotated[int, Field(ge=0)]


class TableRow(Settings):
    """A row of a table: a model to run, a reported row, or the two side by side."""

    model: str | None = None
    """One model, as written for `run`."""
    reported: str | None = None
    """The model name of one of the reported rows of the table's task."""

    @model_validator(mode="after")
    def _there_is_something_to_show(self) -> Self:
        if self.model is None and self.reported is None:
            raise ValueError("give a model, a reported row or both")
        return self


class Table(Settings):
    """One table of a paper: its rows and columns on one task. The suite runs its models."""

    title: str
    task: str
    """The task, as written for `run`."""
    metrics: Annotated[tuple[MetricName, ...], Field(min_length=1)]
    rows: Annotated[tuple[TableRow, ...], Field(min_length=1)]


class Suite(Settings):
    """One suite file: every model of `models` on every task of `tasks`, and each table's models on its task."""

    title: str
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    models: tuple[str, ...] = ()
    """Models as written for `run`, grids included."""
    tasks: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()

    @model_validator(mode="after")
    def _there_is_something_to_run(self) -> Self:
        if bool(self.models) != bool(self.tasks):
            raise ValueError("models and tasks go together: give both or neither")
        if not self.models and not any(row.model for table in self.tables for row in table.rows):
            raise ValueError("there is no model to run: give models and tasks, or tables with models")
        return self


@dataclass(frozen=True)
class ResolvedRow:
    """A table's row with its names resolved."""

    model: ModelReference | None
    reported: ReportedRow | None


@dataclass(frozen=True)
class SuiteListing:
    """What `list suites` shows of a suite. suite: None if the file cannot be read; `fault` then says why."""

    name: str
    suite: Suite | None
    fault: str | None = None


def load_suite(name: str) -> Suite:
    """The built-in suite of that name, or the one in a TOML file. UsageError names the first fault."""
    if name.endswith(".toml"):
        return _read_suite(absolute(name))
    built_in = _built_in()
    if name not in built_in:
        nearest = did_you_mean(name, built_in, "suites")
        raise UsageError(f"there is no suite {name!r}{nearest} The path of a .toml file works too.")
    return _read_suite(built_in[name])


def list_suites() -> list[SuiteListing]:
    """Every built-in suite, by name."""
    listings = []
    for name, path in _built_in().items():
        try:
            listings.append(SuiteListing(name, _read_suite(path)))
        except UsageError as error:
            listings.append(SuiteListing(name, None, str(error)))
    return listings


def plan_suite(suite: Suite, preset: str, seeds: Sequence[int] | None = None) -> list[Job]:
    """The jobs of a suite, each once. seeds: used instead of the suite's own if given.

    UsageError for a wrong model, task, preset or reported row.
    """
    seeds = suite.seeds if seeds is None else seeds
    jobs = []
    if suite.models:
        jobs += plan(resolve_models(",".join(suite.models)), resolve_tasks(",".join(suite.tasks)), preset, seeds)
    for table in suite.tables:
        task, rows = resolve_table(table)
        jobs += plan([row.model for row in rows if row.model], [task], preset, seeds)
    return list({job.key: job for job in jobs}.values())


def resolve_table(table: Table) -> tuple[Task, list[ResolvedRow]]:
    """The task of a table and its resolved rows. UsageError for a wrong task, model or reported row."""
    tasks = resolve_tasks(table.task)
    if len(tasks) != 1:
        raise UsageError(f"table {table.title!r} names {len(tasks)} tasks; give each task its own table.")
    return tasks[0], [_resolve_row(row, tasks[0]) for row in table.rows]


def _resolve_row(row: TableRow, task: Task) -> ResolvedRow:
    models = resolve_models(row.model) if row.model else [None]
    if len(models) != 1:
        raise UsageError(f"{row.model!r} is {len(models)} models; give each its own row.")
    by_name = {reported.model: reported for reported in task.reported}
    if row.reported is not None and row.reported not in by_name:
        nearest = did_you_mean(row.reported, by_name, "reported rows")
        raise UsageError(f"task {task.name} reports no row {row.reported!r}{nearest}")
    return ResolvedRow(models[0], None if row.reported is None else by_name[row.reported])


def _built_in() -> dict[str, Path]:
    return {path.stem: path for path in visible(content_folder("tasks") / "suites", "*.toml")}


def _read_suite(path: Path) -> Suite:
    return validated(Suite, read_toml(path, "suite"), path, "suite")
