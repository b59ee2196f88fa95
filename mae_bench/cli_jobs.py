"""What the verbs that run jobs share: display, boards, summary and exit status. Imports click alone until called."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mae_bench.executors import JobSettings, OverwriteStrategy

if TYPE_CHECKING:
    from mae_bench.executors import Executor
    from mae_bench.executors.run import RunSummary
    from mae_bench.plan import Job
    from mae_bench.records.store import Store

ARGUMENTS = "mae_bench.arguments"
"""In the context's `meta`: what the command line was."""
OVERWRITE_OPTION = "--overwrite-strategy"
SECONDS_TO_END = 9.5
"""After a signal, for the processes of the jobs, which take `interruption.GRACE_SECONDS`, and then this one."""

model_files_option = click.option(
    "--model-file",
    "model_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The adapter file of models that are neither built in nor installed; may be repeated.",
)


def run_and_report(
    context: click.Context,
    jobs: "Sequence[Job]",
    store: "Store",
    executor: "Executor",
    settings: JobSettings,
    *,
    overwrite: OverwriteStrategy = "only-missing",
    exit_on_error: bool = False,
) -> None:
    """Run `jobs`, show how they get on, then their boards and what became of them; end with the status of the run."""
    from mae_bench import interruption
    from mae_bench.executors.local import InProcess
    from mae_bench.executors.run import run_jobs
    from mae_bench.report.jobs import jobs_display
    from mae_bench.report.progress import run_display

    one_process = isinstance(executor, InProcess)
    display = run_display(len(jobs), sys.stderr) if one_process else jobs_display(jobs, store, sys.stderr)
    command = command_that_goes_on(context.meta[ARGUMENTS], overwrite)
    advice = f"interrupted; this goes on from the last checkpoints:\n  {command}\n"
    try:
        with interruption.stops_on_signals(SECONDS_TO_END, advice), display as report:
            summary = run_jobs(
                jobs, store, executor, settings, overwrite=overwrite, exit_on_error=exit_on_error, report=report
            )
    except KeyboardInterrupt as error:
        click.echo(advice, err=True, nl=False)
        context.exit(getattr(error, "exit_status", 130))
    try:
        _print_boards(store, jobs)
    finally:
        _print_summary(summary, command, overwrite)
    context.exit(1 if summary.failed else 0)


def command_that_goes_on(arguments: "Sequence[str]", strategy: OverwriteStrategy) -> str:
    """The command of a run with those arguments, without the option by which it would begin everything anew."""
    command = ["mae-bench"]
    words = iter(arguments)
    for word in words:
        if strategy == "always" and word.partition("=")[0] == OVERWRITE_OPTION:
            if word == OVERWRITE_OPTION:
                next(words, None)  # its value
        else:
            command.append(word)
    return shlex.join(command)


def _print_boards(store: "Store", jobs: "Sequence[Job]") -> None:
    """The boards of the tasks of these jobs at their presets."""
    from rich.console import Console

    from mae_bench.records.aggregate import boards
    from mae_bench.report.terminal import print_boards

    tasks = {job.task.name: job.task for job in jobs}
    places = {(job.task.name, job.preset) for job in jobs}
    found = boards(store.records(), list(tasks.values()))
    print_boards([board for board in found if (board.task, board.preset) in places], Console(file=sys.stdout))


def _print_summary(summary: "RunSummary", command: str, strategy: OverwriteStrategy) -> None:
    """What failed and why, the counts, and the command that retries: the last lines of a run."""
    for job, sentence in summary.failed:
        click.echo(f"failed: {job.title}: {sentence}")
    click.echo(f"{len(summary.done)} done, {len(summary.cached)} cached, {len(summary.failed)} failed")
    if summary.failed or (summary.partial and strategy != "never"):
        click.echo(f"to run the failed and go on with the partial ones:\n  {command}")
