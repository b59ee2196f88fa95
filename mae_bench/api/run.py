"""Train and score models: `run`, and the jobs that the command line plans by the same function. Imports no torch."""

from __future__ import annotations

import io
import sys
import warnings
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from mae_bench.api.results import Results
from mae_bench.executors import OverwriteStrategy
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.names import in_quotes
from mae_bench.planning.plan import Job, ModelReference, plan

if TYPE_CHECKING:
    from mae_bench.adapter import Adapter

Model: TypeAlias = "str | Path | type[Adapter] | partial[Adapter]"
"""A model as the command line takes it, a path, a class, or `functools.partial(Class, parameter=value)`."""
Task: TypeAlias = str | Path
"""A task's name, or the path of its TOML file."""


def run(
    models: Model | Iterable[Model],
    tasks: Task | Iterable[Task] = "digits",
    *,
    preset: str = "small",
    seeds: int | Iterable[int] = 0,
    output_dir: str | Path = "results",
    device: str = "auto",
    jobs: int | None = None,
    overwrite: OverwriteStrategy = "only-missing",
    progress: bool = True,
    tracker: str | Iterable[str] = (),
    **settings: Any,
) -> Results:
    """Train and score models on tasks: every (model, task, seed) is a job, as in `mae-bench run`, and has a record.

    A job whose record lies in `output_dir` is not run again, and one that was interrupted goes on. A class may be
    defined in the script or notebook itself; its text is then part of the key. device: auto, cpu, cuda, cuda:1 or
    several with commas; jobs: how many at a time, each in a process of its own. progress: show it on stderr or in the
    notebook. tracker: one or several of tensorboard, mlflow, wandb and what packages add. settings: the fields of
    `mae_bench.job.settings.JobSettings`, such as max_minutes.

    A job that fails stops no other: a warning says why, and `Results.failed` holds it. UsageError for what is wrong
    before anything trains.
    """
    from mae_bench.executors.local import InProcess, check_threads

    check_threads()  # before torch, which would say so too

    from mae_bench.executors.preparation import Preparation, executor_here
    from mae_bench.executors.run import run_jobs
    from mae_bench.foundation.source import absolute
    from mae_bench.job.settings import job_settings
    from mae_bench.records.store import Store
    from mae_bench.report.jobs import jobs_display
    from mae_bench.report.progress import run_display
    from mae_bench.trackers.follower_process import tell_trackers
    from mae_bench.trackers.registry import check_names

    given, store = job_settings(**settings), Store(absolute(output_dir))
    trackers = check_names(tracker)
    planned = plan_jobs(models, tasks, preset, [seeds] if isinstance(seeds, int) else seeds)
    preparation = Preparation(planned, store, given, overwrite, 'overwrite="always" runs them anew')
    notes = preparation.notes_on_models()
    executor = executor_here(device, jobs)
    for sentence in notes + preparation.notes_on_devices(executor):
        warnings.warn(sentence, stacklevel=2)
    one_process = isinstance(executor, InProcess)
    if not one_process:
        _refuse_live(planned)
    stream = sys.stderr if progress else io.StringIO()
    display = run_display(len(planned), stream) if one_process else jobs_display(planned, store, stream)
    with tell_trackers(trackers, store, planned, anew=overwrite == "always") as tracking, display as report:
        summary = run_jobs(planned, store, executor, given, overwrite=overwrite, exit_on_error=False, report=report)
    for sentence in tracking.warnings:
        warnings.warn(sentence, stacklevel=2)
    for job, sentence in summary.failed:
        warnings.warn(f"failed: {job.title}: {sentence}", stacklevel=2)
    kept = {job.key: record for job, record in summary.done + summary.cached}
    return Results(
        store.root,
        tuple(kept[job.key] for job in planned if job.key in kept),
        tuple({job.task.name: job.task for job in planned}.values()),
        tuple((job.title, sentence) for job, sentence in summary.failed),
        {job.key: job for job in planned},
    )


def plan_jobs(
    models: Model | Iterable[Model], tasks: Task | Iterable[Task], preset: str, seeds: Iterable[int]
) -> list[Job]:
    """Every model on every task with every seed. A string may hold several with commas, and grids.

    UsageError for a wrong name, class, parameter, preset or seed.
    """
    from mae_bench.planning.registry import distinct, resolve_tasks

    references = [reference for model in _listed(models) for reference in _references(cast(Model, model))]
    text = ",".join(in_quotes(str(task)) if isinstance(task, Path) else str(task) for task in _listed(tasks))
    return plan(distinct(references), resolve_tasks(text), preset, seeds)


def _listed(given: object) -> Sequence[object]:
    one = isinstance(given, str | Path | type | partial) or not isinstance(given, Iterable)
    return [given] if one else list(cast(Iterable[object], given))


def _references(model: Model) -> Sequence[ModelReference]:
    from mae_bench.planning.adapter_code import code_of
    from mae_bench.planning.registry import refer_to, resolve_models

    if isinstance(model, str | Path):
        return resolve_models(in_quotes(str(model)) if isinstance(model, Path) else model)
    adapter_class, params = (model.func, model.keywords) if isinstance(model, partial) else (model, {})
    if isinstance(model, partial) and model.args:
        raise UsageError(f"the parameters of model {adapter_class!r} have no names; write partial(Class, name=value).")
    code = code_of(adapter_class)
    found = cast("type[Adapter]", adapter_class)
    return [refer_to(found.__name__, code, found, params)]


def _refuse_live(jobs: Sequence[Job]) -> None:
    """UsageError if other processes cannot have the class of a job, since a notebook or script defines it."""
    from mae_bench.planning.live import find_live

    for job in jobs:
        if find_live(job.model.code):
            raise UsageError(
                f"model {job.model.name} is defined in a script or notebook, which other processes cannot import; put "
                "it into a .py file and give its path, or leave out jobs and several devices."
            )
