"""The records of a run, or of a store: as a frame, as boards, as trained models. Imports torch to load a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mae_bench.boards.aggregate import boards
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.names import did_you_mean, parse_models
from mae_bench.planning.plan import Job
from mae_bench.planning.task import Task
from mae_bench.records.schema import Record
from mae_bench.records.store import Store
from mae_bench.report.frames import records_frame
from mae_bench.report.table import BoardTable

if TYPE_CHECKING:
    import pandas as pd

    from mae_bench.adapter import Adapter


@dataclass(frozen=True, repr=False)
class Results:
    """Records and what can be made of them.

    root: the folder of their store. tasks: those that `board` knows. failed: the title of each job without a record,
    and a sentence on why. jobs: by key, those that this process has planned.
    """

    root: Path
    records: tuple[Record, ...]
    tasks: tuple[Task, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    jobs: Mapping[str, Job] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """One row a (model, task, seed, metric), with value, stderr and unit (`mae_bench.report.frames`)."""
        return records_frame(self.records)

    def board(self, task: str, preset: str | None = None) -> BoardTable:
        """The board of these records alone on the task of that name. preset: needed if they are of several.

        UsageError if there is no such board.
        """
        own = [record for record in self.records if record.task.name == task]
        _choose("task", task, {record.task.name for record in self.records})
        preset = _choose("preset", preset, {record.preset for record in own})
        found = boards([record for record in own if record.preset == preset], self.tasks)
        return BoardTable(next(board for board in found if board.task == task))

    def load(
        self,
        model: str | type[Adapter] | partial[Adapter],
        *,
        task: str,
        seed: int = 0,
        preset: str | None = None,
        device: str = "cpu",
        model_files: Sequence[Path | str] = (),
    ) -> Adapter:
        """The trained model of one record, on `device`, in evaluation mode, as it was scored.

        model: its name, with as many parameters in brackets as tell it from others, or its class. model_files: where
        the code of a record may be that another process made, as `--model-file` of `mae-bench verify` takes it.
        UsageError if no record fits, or more than one, or if the weights are gone; RecordError if the code is.
        """
        from mae_bench.job.trained import checkpoint_of, find_model, load_model, training_job

        record = self._find(model, task, seed, preset)
        if (job := self.jobs.get(record.key)) is None:
            job = training_job(record, find_model(record, model_files))
        weights = checkpoint_of(record, self.root, self.root)
        if weights is None:
            raise UsageError(
                f"the store {self.root} has the record of {record.title} and not its weights; run it again with "
                'overwrite="always".'
            )
        return load_model(job, weights, device).adapter

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"<Results: {len(self.records)} records in {self.root}{failed}>"

    def _find(self, model: object, task: str, seed: int, preset: str | None) -> Record:
        name, params = _named(model)
        _choose("task", task, {record.task.name for record in self.records})
        of_task = [record for record in self.records if record.task.name == task]
        _choose("model", name, {record.model.name for record in of_task})
        alike = [
            record for record in of_task if record.model.name == name and params.items() <= record.model.params.items()
        ]
        fitting = [record for record in alike if record.seed == seed and preset in (None, record.preset)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            known = "; ".join(record.title for record in fitting)
            raise UsageError(f"several records are of {name} on {task}: {known}; name more parameters or the preset.")
        known = "; ".join(record.title for record in alike or of_task)
        raise UsageError(f"no record is of {model} on {task} with seed {seed}; there are: {known}.")


def load_results(folder: str | Path = "results", *, tasks: Iterable[str | Path] = ()) -> Results:
    """All records of the store at `folder`. tasks: names or TOML files of tasks that have no name of their own.

    UsageError if there is no such folder; RecordError names the first broken record.
    """
    from mae_bench.foundation.source import absolute
    from mae_bench.planning.names import in_quotes
    from mae_bench.planning.registry import known_tasks, resolve_tasks

    root = absolute(folder)
    if not root.is_dir():
        raise UsageError(f"there is no folder {root}; give the output_dir of a run.")
    text = ",".join(in_quotes(str(task)) for task in tasks)
    given = resolve_tasks(text) if text else []
    others = [task for task in known_tasks() if task.name not in {one.name for one in given}]
    return Results(root, tuple(Store(root).records()), (*given, *others))


def _named(model: object) -> tuple[str, dict[str, Any]]:
    """Name and given parameters of a model as `Results.load` takes it."""
    if isinstance(model, partial):
        return _named(model.func)[0], model.keywords
    if isinstance(model, type):
        return model.__name__, {}
    written = parse_models(str(model))
    if len(written) != 1:
        raise UsageError(f"{model!r} is not one model; name one.")
    return written[0].base, written[0].params


def _choose(what: str, given: str | None, known: set[str]) -> str:
    """The one that is given, or the only one; UsageError if that is none of the records'."""
    if given is None and len(known) == 1:
        return next(iter(known))
    if given is None:
        raise UsageError(f"these records are of several {what}s; give one of {', '.join(sorted(known))}.")
    if given not in known:
        raise UsageError(f"no record is of {what} {given!r}{did_you_mean(given, known, f'{what}s')}")
    return given
