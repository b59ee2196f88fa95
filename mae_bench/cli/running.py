"""What the verbs that run jobs share: run them, show their boards, say what became of them and how to go on."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mae_bench.cli.shared import ARGUMENTS, OVERWRITE_OPTION
from mae_bench.executors import OverwriteStrategy
from mae_bench.job.settings import JobSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mae_bench.executors import Executor
    from mae_bench.executors.run import RunSummary
    from mae_bench.planning.plan import Job
    from mae_bench.records.store import Store
    from mae_bench.trackers.follower_process import Tracking

PROGRAM = "mae-bench"
SECONDS_TO_END = 9.5
"""From a signal to the end of this process; those of the jobs take `interruption.GRACE_SECONDS` of them."""


def run_and_report(
    context: click.Context,
    jobs: "Sequence[Job]",
    store: "Store",
    executor: "Executor",
    settings: JobSettings,
    *,
    overwrite: OverwriteStrategy = "only-missing",
    exit_on_error: bool = False,
    trackers: "Sequence[str]" = (),
) -> None:
    """Run `jobs`, show how they get on, then their boards and what became of them; end with the status of the run.

    Why a job failed is said in the summary alone, or before the advice where the run is interrupted.
    """
    from mae_bench.executors.local import InProcess
    from mae_bench.executors.run import RunSummary, run_jobs
    from mae_bench.foundation import interruption
    from mae_bench.report.jobs import jobs_display
    from mae_bench.report.progress import run_display
    from mae_bench.trackers.follower_process import tell_trackers

    one_process = isinstance(executor, InProcess)
    display = run_display(len(jobs), sys.stderr) if one_process else jobs_display(jobs, store, sys.stderr)
    command = command_to_resume(context.meta[ARGUMENTS], overwrite)
    advice = f"interrupted; this resumes from the last checkpoints:\n  {command}\n"
    summary = RunSummary()
    try:
        with (
            interruption.stops_on_signals(SECONDS_TO_END, advice),
            tell_trackers(trackers, store, jobs, anew=overwrite == "always") as tracking,
            display as report,
        ):
            run_jobs(
                jobs,
                store,
                executor,
                settings,
                overwrite=overwrite,
                exit_on_error=exit_on_error,
                report=report,
                summary=summary,
            )
    except KeyboardInterrupt as error:
        _print_failures(summary, err=True)
        click.echo(advice, err=True, nl=False)
        context.exit(getattr(error, "exit_status", 130))
    try:
        _print_boards(store, [job for job, _ in summary.done + summary.cached])
        _print_trackers(tracking)
    finally:
        _print_summary(summary, command, overwrite)
    context.exit(1 if summary.failed else 0)


def command_to_resume(arguments: "Sequence[str]", strategy: OverwriteStrategy) -> str:
    """The command that resumes a run with those arguments: without the option that begins everything anew."""
    command = [own_name()]
    words = iter(arguments)
    for word in words:
        if strategy == "always" and word.partition("=")[0] == OVERWRITE_OPTION:
            if word == OVERWRITE_OPTION:
                next(words, None)  # its value
        else:
            command.append(word)
    return shlex.join(command)


def own_name() -> str:
    """How this program is called in the shell that it was called from: by its path where no PATH leads to it."""
    called = Path(sys.argv[0])
    if called.name != PROGRAM or shutil.which(PROGRAM):
        return PROGRAM
    return str(called.relative_to(Path.cwd()) if called.is_relative_to(Path.cwd()) else called)


def _print_boards(store: "Store", jobs: "Sequence[Job]") -> None:
    """The boards that these jobs have a record on."""
    if not jobs:
        return
    from rich.console import Console

    from mae_bench.boards.aggregate import boards
    from mae_bench.report.layout import compact_columns
    from mae_bench.report.terminal import print_boards

    tasks = {job.task.name: job.task for job in jobs}
    places = {(job.task.name, job.preset) for job in jobs}
    found = boards(store.records(), list(tasks.values()))
    own = [board for board in found if (board.task, board.preset) in places]
    print_boards(own, Console(file=sys.stdout), choose=compact_columns)


def _print_trackers(tracking: "Tracking") -> None:
    """Which trackers stopped and why, and the commands to look at them."""
    for sentence in tracking.warnings:
        click.echo(f"warning: {sentence}", err=True)
    for name, command in tracking.commands.items():
        click.echo(f"to look at it in {name}:\n  {command}")


def _print_summary(summary: "RunSummary", command: str, strategy: OverwriteStrategy) -> None:
    """What is doubted or failed and why, the counts, and the command that retries: the last lines of a run."""
    from mae_bench.boards.doubt import doubt_about

    for job, record in summary.done:
        if doubt := doubt_about(record, job.task):
            click.echo(f"{doubt.kind}: {job.title}: {doubt.reason}; its record is shown and not ranked.")
    _print_failures(summary)
    click.echo(f"{len(summary.done)} done, {len(summary.cached)} cached, {len(summary.failed)} failed")
    if summary.failed or (summary.partial and strategy != "never"):
        click.echo(f"to run the failed jobs again and resume the partial ones:\n  {command}")


def _print_failures(summary: "RunSummary", *, err: bool = False) -> None:
    for job, sentence in summary.failed:
        click.echo(f"failed: {job.title}: {sentence}", err=err)
