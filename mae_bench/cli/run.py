"""The verb that trains and scores models, run: parse, call, print. Imports click alone until it is called."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click
from click.core import ParameterSource

from mae_bench.cli.running import run_and_report
from mae_bench.cli.shared import (
    OVERWRITE_OPTION,
    Choice,
    ExecutorOptions,
    output_option,
    takes_executor,
    takes_job_settings,
)
from mae_bench.executors import OverwriteStrategy
from mae_bench.foundation.errors import UsageError
from mae_bench.job.settings import JobSettings

if TYPE_CHECKING:
    from mae_bench.planning.plan import Job
    from mae_bench.records.store import Store


def _parse_seeds(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[int, ...]:
    """Seeds of "0,1,2", "0-4" or both together; each fits the 64 bits of a record's numbers."""
    from mae_bench.foundation.text import quoted
    from mae_bench.foundation.untrusted import LARGEST_INTEGER

    seeds: list[int] = []
    for item in text.split(","):
        match = re.fullmatch(r"(\d{1,19})(?:-(\d{1,19}))?", item.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not first <= last <= LARGEST_INTEGER:
            raise click.BadParameter(
                f"{quoted(repr(text))} is not a list of seeds from 0 to {LARGEST_INTEGER}; write for example 0,1,2 or "
                "0-4."
            )
        seeds.extend(range(first, last + 1))
    return tuple(seeds)


@click.command()
@click.option(
    "-m",
    "--models",
    default="mae,vlae,resnet_vae",
    show_default=True,
    help="Names, package.module:Class or path/to/file.py, with parameters in brackets: mae[eta=2.0]; a list is a grid: "
    "mae[eta=[0.5,1.0]], mae[diversity=[paper,mean]]; a list within a list is one value: my_vae.py[z_dims=[[16,8]]]. "
    "A path with a comma or a bracket goes in double quotes: '\"my,models/a.py\"[beta=2]'.",
)
@click.option("-t", "--tasks", default="digits", show_default=True, help="Names, or paths of TOML files.")
@click.option("--suite", metavar="SUITE", help="In place of --models and --tasks: a name or the path of a TOML file.")
@click.option(
    "--preset",
    default="small",
    show_default=True,
    help="smoke (seconds), small (minutes), medium (an hour or more), paper (a GPU).",
)
@click.option("--seeds", default="0", show_default=True, callback=_parse_seeds, help="For example 0,1,2 or 0-4.")
@takes_executor
@output_option
@click.option(
    OVERWRITE_OPTION,
    type=Choice(get_args(OverwriteStrategy)),
    default="only-missing",
    show_default=True,
    help="only-missing: run what has no complete record, and continue partial ones. always: run everything anew; "
    "if such a run is interrupted, resume it with the command that it prints, which lacks this option. "
    "never: keep every record there is, even a partial one.",
)
@click.option(
    "-n",
    "--dry-run",
    is_flag=True,
    help="Show the jobs and which of them have a record; check device and data; train and download nothing.",
)
@click.option("--exit-on-error", is_flag=True, help="Stop at the first failed job.")
@click.option(
    "--tracker",
    "trackers",
    metavar="NAME",
    multiple=True,
    help="Show curves as they grow, then scores and pictures, in tensorboard, mlflow or wandb, or in what a package "
    "adds; may be repeated. Their files go to the store.",
)
@takes_job_settings
@click.pass_context
def run(
    context: click.Context,
    *,
    models: str,
    tasks: str,
    suite: str | None,
    preset: str,
    seeds: tuple[int, ...],
    where: ExecutorOptions,
    output_dir: Path,
    overwrite_strategy: OverwriteStrategy,
    dry_run: bool,
    exit_on_error: bool,
    trackers: tuple[str, ...],
    settings: JobSettings,
) -> None:
    """Train and score models on tasks.

    Every (model, task, seed) is one job and leaves one record in the store. A job that was interrupted resumes from its
    last checkpoint when the same command is given again.
    """
    from mae_bench.executors.local import check_threads

    check_threads()  # before torch, which would say so too

    from mae_bench.executors.preparation import Preparation
    from mae_bench.executors.run import check_writable
    from mae_bench.foundation.source import absolute
    from mae_bench.records.store import Store
    from mae_bench.trackers.follower_process import check_trackers
    from mae_bench.trackers.registry import check_names

    store = Store(absolute(output_dir))  # before any model could change the directory that it is relative to
    names = check_names(trackers)
    jobs = _plan_jobs(context, models=models, tasks=tasks, suite=suite, preset=preset, seeds=seeds)
    remedy = f"{OVERWRITE_OPTION} always runs them anew"
    preparation = Preparation(jobs, store, settings, overwrite_strategy, remedy)
    _print_notes(preparation.notes_on_models())
    executor = where.check() if dry_run else where.executor()
    _print_notes(preparation.notes_on_devices(executor))
    if dry_run or executor is None:
        check_writable(store.root, make=False)
        check_trackers(names, store)
        context.exit(_print_matrix(jobs, store, overwrite_strategy))
    run_and_report(
        context,
        jobs,
        store,
        executor,
        settings,
        overwrite=overwrite_strategy,
        exit_on_error=exit_on_error,
        trackers=names,
    )


def _print_notes(notes: Sequence[str]) -> None:
    for sentence in notes:
        click.echo(f"note: {sentence}", err=True)


def _plan_jobs(
    context: click.Context, *, models: str, tasks: str, suite: str | None, preset: str, seeds: Sequence[int]
) -> "list[Job]":
    """The jobs of a suite, or of models and tasks. UsageError for a wrong name, and for both together."""
    if suite is None:
        from mae_bench.api.run import plan_jobs

        return plan_jobs(models, tasks, preset, seeds)
    from mae_bench.planning.suites import load_suite, plan_suite

    def given(option: str) -> bool:
        return context.get_parameter_source(option) is not ParameterSource.DEFAULT

    if given("models") or given("tasks"):
        raise UsageError("--suite brings its own models and tasks; leave out --models and --tasks.")
    return plan_suite(load_suite(suite), preset, seeds if given("seeds") else None)


def _print_matrix(jobs: "Sequence[Job]", store: "Store", strategy: OverwriteStrategy) -> int:
    """Every job with the state of its record, how many would run, and how long that may take; gives the exit status.

    That is 1 if the data of a job's task cannot be loaded. UsageError if that is so for every job that would run. What
    would be downloaded is not, and passes.
    """
    from mae_bench.executors.run import data_faults, kept_record, refuse_if_none_can_run
    from mae_bench.records.estimate import describe_estimate

    to_run = [job for job in jobs if kept_record(store, job, strategy) is None]
    faults = data_faults((job.task for job in to_run), download=False)
    refuse_if_none_can_run(to_run, faults)
    for job in jobs:
        record = store.find(job)
        state = "missing" if record is None else "done" if record.training.status == "complete" else "partial"
        click.echo(f"{state:8}{job.title}")
    for job in to_run:
        if job.task.name in faults:
            click.echo(f"would fail: {job.title}: {faults[job.task.name]}")
    to_run = [job for job in to_run if job.task.name not in faults]
    if to_run:
        click.echo(describe_estimate(to_run, store))
    click.echo(f"{len(jobs)} jobs, of which {len(to_run)} would run; nothing was trained")
    return 1 if faults else 0
