"""The verb that scores finished models, evaluate: parse, call, print. Imports click alone until it is called."""

from pathlib import Path

import click

from mae_bench.cli.running import run_and_report
from mae_bench.cli.shared import (
    ExecutorOptions,
    GivenPath,
    model_files_option,
    output_option,
    takes_executor,
)
from mae_bench.job.settings import JobSettings


@click.command()
@click.argument("checkpoints", metavar="CHECKPOINT...", nargs=-1, required=True, type=GivenPath())
@click.option("-t", "--tasks", required=True, help="Names, or paths of TOML files: whose protocols score the model.")
@click.option("--preset", default="small", show_default=True, help="Of those tasks: smoke, small, paper.")
@model_files_option
@takes_executor
@output_option
@click.pass_context
def evaluate(
    context: click.Context,
    *,
    checkpoints: tuple[Path, ...],
    tasks: str,
    preset: str,
    model_files: tuple[Path | str, ...],
    where: ExecutorOptions,
    output_dir: Path,
) -> None:
    """Score finished models by the protocol of another task or preset, without training.

    CHECKPOINT is a finished job's folder, beside its record, or one of the two files: model.safetensors, the record.
    The network is the one that was trained; all that scores it is of the tasks and the preset given here. Each score is
    a record of its own, shown on boards in a row of its own and never ranked with models that were trained there.
    """
    from mae_bench.executors.local import check_threads

    check_threads()  # before torch, which would say so too

    from mae_bench.executors.evaluations import copy_weights, plan_evaluations
    from mae_bench.executors.run import check_writable
    from mae_bench.foundation.source import absolute
    from mae_bench.job.initial_state import check_models, describe_changes
    from mae_bench.job.likelihoods import describe_unanswered
    from mae_bench.planning.registry import resolve_tasks
    from mae_bench.records.store import Store

    store, executor = Store(absolute(output_dir)), where.executor()
    evaluations = plan_evaluations(checkpoints, resolve_tasks(tasks), preset, model_files)
    check_writable(store.root)
    copy_weights(evaluations, store)
    jobs = [one.job for one in evaluations]
    changes = describe_changes(jobs, store, check_models(jobs), "train the model anew and evaluate that")
    for sentence in describe_unanswered(jobs) + changes:
        click.echo(f"note: {sentence}", err=True)
    run_and_report(context, jobs, store, executor, JobSettings())
