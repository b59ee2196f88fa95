"""The verb that scores finished models, evaluate: parse, call, print. Imports click alone until called."""

from pathlib import Path

import click

from mae_bench.cli_jobs import model_files_option, run_and_report
from mae_bench.executors import JobSettings


@click.command()
@click.argument("checkpoints", metavar="CHECKPOINT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-t", "--tasks", required=True, help="Names, or paths of TOML files: whose protocols score the model.")
@click.option("--preset", default="small", show_default=True, help="Of those tasks: smoke, small, paper.")
@model_files_option
@click.option("--device", default="auto", show_default=True, help="auto (CUDA if there is a GPU), cpu, cuda, cuda:1.")
@click.option(
    "-o",
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default="results",
    show_default=True,
    help="The store that the new records go to.",
)
@click.pass_context
def evaluate(
    context: click.Context,
    *,
    checkpoints: tuple[Path, ...],
    tasks: str,
    preset: str,
    model_files: tuple[Path, ...],
    device: str,
    output_dir: Path,
) -> None:
    """Score finished models by the protocol of another task or preset, without training.

    CHECKPOINT is a finished job's folder, beside its record, or one of the two files: model.safetensors, the record.
    The network is the one that was trained; all that scores it is of the tasks and the preset given here. Each score is
    a record of its own, shown on boards in a row of its own and never ranked with models that were trained there.
    """
    from mae_bench.evaluate import copy_weights, plan_evaluations
    from mae_bench.executors.local import InProcess, choose_device
    from mae_bench.executors.run import check_writable
    from mae_bench.records.store import Store
    from mae_bench.registry import resolve_tasks

    store, executor = Store(output_dir), InProcess(choose_device(device))
    evaluations = plan_evaluations(checkpoints, resolve_tasks(tasks), preset, model_files)
    check_writable(store.root)
    copy_weights(evaluations, store)
    run_and_report(context, [one.job for one in evaluations], store, executor, JobSettings())
