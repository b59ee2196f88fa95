"""The verbs that run jobs and look at them, run and status: parse, call, print. Imports click alone until called."""

import re
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click
from click.core import ParameterSource

from mae_bench.cli_jobs import OVERWRITE_OPTION, run_and_report
from mae_bench.errors import UsageError
from mae_bench.executors import JobSettings, OverwriteStrategy

if TYPE_CHECKING:
    from mae_bench.executors import Executor
    from mae_bench.plan import Job
    from mae_bench.records.store import Store


def _parse_seeds(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[int, ...]:
    """Seeds of "0,1,2", "0-4" or both together; each fits the 64 bits of a record's numbers."""
    from mae_bench.records.untrusted import LARGEST_INTEGER
    from mae_bench.text import quoted

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
    "mae[eta=[0.5,1.0]].",
)
@click.option("-t", "--tasks", default="digits", show_default=True, help="Names, or paths of TOML files.")
@click.option("--suite", metavar="SUITE", help="In place of --models and --tasks: a name or the path of a TOML file.")
@click.option("--preset", default="small", show_default=True, help="smoke (seconds), small (a laptop), paper (a GPU).")
@click.option("--seeds", default="0", show_default=True, callback=_parse_seeds, help="For example 0,1,2 or 0-4.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    help="auto (CUDA if there is a GPU), cpu, cuda, cuda:1; several, as in cuda:0,cuda:1, have a process each.",
)
@click.option(
    "-j",
    "--jobs",
    "slots",
    type=click.IntRange(min=1),
    help="Run so many jobs at a time, each in a process of its own, over the devices in turn.  [default: one, in this "
    "process]",
)
@click.option(
    "--executor",
    "executor_name",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="local: this machine. ray: a Ray cluster.",
)
@click.option("--address", help="Of the Ray cluster.  [default: RAY_ADDRESS, or this machine alone]")
@click.option(
    "--gpus-per-job",
    type=click.FloatRange(min=0),
    help="On Ray; 0.25 puts four jobs on a GPU.  [default: 1 where the cluster has any]",
)
@click.option("--cpus-per-job", type=click.FloatRange(min=0, min_open=True), help="On Ray.  [default: 1]")
@click.option(
    "-o",
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default="results",
    show_default=True,
    help="The store: records and checkpoints.",
)
@click.option(
    OVERWRITE_OPTION,
    type=click.Choice(get_args(OverwriteStrategy)),
    default="only-missing",
    show_default=True,
    help="only-missing: run what has no complete record, and continue partial ones. always: run everything anew; "
    "interrupted, such a run is gone on with by the command without this option, which it prints. "
    "never: keep every record there is, even a partial one.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Show the jobs and which of them have a record; train nothing.")
@click.option("--exit-on-error", is_flag=True, help="Stop at the first failed job.")
@click.option(
    "--max-minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Training time a job, counted anew by each run; what it has by then is scored and its record marked partial. "
    "No limit for a model with a training loop of its own.",
)
@click.option(
    "--timeout",
    "timeout_minutes",
    metavar="MINUTES",
    type=click.FloatRange(min=0, min_open=True),
    help="Of a whole job, in a process of its own; one that takes longer is stopped and has failed.",
)
@click.option(
    "--checkpoint-minutes",
    type=click.FloatRange(min=0),
    default=JobSettings.checkpoint_minutes,
    show_default=True,
    help="Time between two checkpoints within an epoch.",
)
@click.option(
    "--compile",
    "compiled",
    is_flag=True,
    help="Train by torch.compile: faster steps, of other rounding, after minutes of compiling. Needs a C++ compiler.",
)
@click.pass_context
def run(
    context: click.Context,
    *,
    models: str,
    tasks: str,
    suite: str | None,
    preset: str,
    seeds: tuple[int, ...],
    device: str,
    slots: int | None,
    executor_name: str,
    address: str | None,
    gpus_per_job: float | None,
    cpus_per_job: float | None,
    output_dir: Path,
    overwrite_strategy: OverwriteStrategy,
    dry_run: bool,
    exit_on_error: bool,
    max_minutes: float | None,
    timeout_minutes: float | None,
    checkpoint_minutes: float,
    compiled: bool,
) -> None:
    """Train and score models on tasks.

    Every (model, task, seed) is one job and leaves one record in the store. A job that was interrupted goes on from its
    last checkpoint when the same command is given again.
    """
    from mae_bench.records.store import Store
    from mae_bench.registry import check_models

    jobs = _plan_jobs(context, models=models, tasks=tasks, suite=suite, preset=preset, seeds=seeds)
    store = Store(output_dir)
    check_models(jobs)
    if dry_run:
        _print_matrix(jobs, store, overwrite_strategy)
        return
    executor = _choose_executor(
        device=device,
        slots=slots,
        executor_name=executor_name,
        address=address,
        gpus_per_job=gpus_per_job,
        cpus_per_job=cpus_per_job,
        timeout_minutes=timeout_minutes,
    )
    if compiled:
        _check_compiler(executor)
    settings = JobSettings(max_minutes, checkpoint_minutes, compiled)
    run_and_report(context, jobs, store, executor, settings, overwrite=overwrite_strategy, exit_on_error=exit_on_error)


@click.command()
@click.argument("directory", metavar="[DIR]", default="results", type=click.Path(exists=True, file_okay=False))
def status(directory: str) -> None:
    """Show every job under DIR, results unless given: running, stale, failed, stopped, partial or done.

    Works from any machine that sees the folder, while a run is on and after it, however it ended. Stale: said to run,
    and silent.
    """
    from rich.console import Console

    from mae_bench.report.jobs import draw, job_rows
    from mae_bench.report.listing import WIDTH_OF_A_PIPE

    rows = job_rows(Path(directory), time.time())
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH_OF_A_PIPE)
    console.print(draw(rows))
    states = Counter(row.state.partition(":")[0] for row in rows)
    click.echo(", ".join(f"{count} {state}" for state, count in states.items()) or f"no job under {directory}")


def _choose_executor(
    *,
    device: str,
    slots: int | None,
    executor_name: str,
    address: str | None,
    gpus_per_job: float | None,
    cpus_per_job: float | None,
    timeout_minutes: float | None,
) -> "Executor":
    """UsageError for a device that is not there, a cluster that cannot be reached, and an option of the other one."""
    if executor_name == "ray":
        from mae_bench.executors.ray import connect

        if slots is not None or device != "auto":
            raise UsageError("--jobs and --device are for this machine; with --executor ray, give --gpus-per-job.")
        return connect(address, gpus_per_job, cpus_per_job or 1.0, timeout_minutes)
    from mae_bench.executors.local import InProcess, choose_device
    from mae_bench.executors.slots import Slots, plan_slots

    if (address, gpus_per_job, cpus_per_job) != (None, None, None):
        raise UsageError("--address, --gpus-per-job and --cpus-per-job are for a Ray cluster; add --executor ray.")
    if "," not in device and slots is None:
        if timeout_minutes is None:
            return InProcess(choose_device(device))
        slots = 1
    return Slots(plan_slots(device, slots), timeout_minutes)


def _check_compiler(executor: "Executor") -> None:
    """UsageError where this process cannot compile; others find it out as their first job begins."""
    from mae_bench.compilation import check_compiler
    from mae_bench.executors.local import InProcess

    if isinstance(executor, InProcess):
        check_compiler(executor.device)


def _plan_jobs(
    context: click.Context, *, models: str, tasks: str, suite: str | None, preset: str, seeds: Sequence[int]
) -> "list[Job]":
    """The jobs of a suite, or of models and tasks. UsageError for a wrong name, and for both together."""
    if suite is None:
        from mae_bench.plan import plan
        from mae_bench.registry import resolve_models, resolve_tasks

        return plan(resolve_models(models), resolve_tasks(tasks), preset, seeds)
    from mae_bench.suites import load_suite, plan_suite

    def given(option: str) -> bool:
        return context.get_parameter_source(option) is not ParameterSource.DEFAULT

    if given("models") or given("tasks"):
        raise UsageError("--suite brings its own models and tasks; leave out --models and --tasks.")
    return plan_suite(load_suite(suite), preset, seeds if given("seeds") else None)


def _print_matrix(jobs: "Sequence[Job]", store: "Store", strategy: OverwriteStrategy) -> None:
    """Every job with the state of its record, how many would run, and how long that may take."""
    from mae_bench.executors.run import kept_record
    from mae_bench.records.estimate import describe_estimate

    for job in jobs:
        record = store.find(job)
        state = "missing" if record is None else "done" if record.training.status == "complete" else "partial"
        click.echo(f"{state:8}{job.title}")
    to_run = [job for job in jobs if kept_record(store, job, strategy) is None]
    if to_run:
        click.echo(describe_estimate(to_run, store))
    click.echo(f"{len(jobs)} jobs, of which {len(to_run)} would run; nothing was trained")
