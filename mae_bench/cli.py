"""The command line: one function a verb: parse, call, print. Imports click alone until a verb needs more."""

import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from mae_bench import __version__
from mae_bench.cli_models import check_model, new_model
from mae_bench.cli_records import compare, verify
from mae_bench.errors import MaeBenchError, UsageError
from mae_bench.executors import OverwriteStrategy

if TYPE_CHECKING:
    from mae_bench.executors.local import RunSummary
    from mae_bench.plan import Job
    from mae_bench.records.schema import Record
    from mae_bench.records.store import Store
    from mae_bench.task import Task

_ARGUMENTS = "mae_bench.arguments"


class _Verbs(click.Group):
    """A group that remembers how it was called, and shows an expected failure as one line and an exit status."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        context.meta[_ARGUMENTS] = list(arguments)
        return super().parse_args(context, arguments)

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except MaeBenchError as error:
            click.echo(f"error: {error}", err=True)
            context.exit(2 if isinstance(error, UsageError) else 1)


def _parse_seeds(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[int, ...]:
    """Seeds of "0,1,2", "0-4" or both together."""
    seeds: list[int] = []
    for item in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", item.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if first > last:
            raise click.BadParameter(f"{text!r} is not a list of seeds; write for example 0,1,2 or 0-4.")
        seeds.extend(range(first, last + 1))
    return tuple(seeds)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="mae-bench")
def main() -> None:
    """Train variational autoencoders, score them by one protocol, and compare them on a leaderboard.

    Exit status: 0 good; 1 a failed job, a refused record or a regression; 2 a wrong name, option or value; 130
    interrupted.
    """


@main.command()
@click.option(
    "-m",
    "--models",
    default="mae,vlae,resnet_vae",
    show_default=True,
    help="Names, package.module:Class or path/to/file.py, with parameters in brackets: mae[eta=2.0]; a list is a grid: "
    "mae[eta=[0.5,1.0]].",
)
@click.option("-t", "--tasks", default="digits", show_default=True, help="Names, or paths of TOML files.")
@click.option("--preset", default="small", show_default=True, help="smoke (seconds), small (a laptop), paper (a GPU).")
@click.option("--seeds", default="0", show_default=True, callback=_parse_seeds, help="For example 0,1,2 or 0-4.")
@click.option("--device", default="auto", show_default=True, help="auto (CUDA if there is a GPU), cpu, cuda, cuda:1.")
@click.option(
    "-o",
    "--output-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default="results",
    show_default=True,
    help="The store: records and checkpoints.",
)
@click.option(
    "--overwrite-strategy",
    type=click.Choice(get_args(OverwriteStrategy)),
    default="only-missing",
    show_default=True,
    help="only-missing: run what has no complete record, and continue partial ones. always: run everything anew. "
    "never: keep every record there is, even a partial one.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Show the jobs and which of them have a record; train nothing.")
@click.option("--exit-on-error", is_flag=True, help="Stop at the first failed job.")
@click.option(
    "--max-minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Training time a job; what it has by then is scored and its record marked partial.",
)
@click.option(
    "--checkpoint-minutes",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    help="Time between two checkpoints within an epoch.",
)
@click.pass_context
def run(
    context: click.Context,
    *,
    models: str,
    tasks: str,
    preset: str,
    seeds: tuple[int, ...],
    device: str,
    output_dir: Path,
    overwrite_strategy: OverwriteStrategy,
    dry_run: bool,
    exit_on_error: bool,
    max_minutes: float | None,
    checkpoint_minutes: float,
) -> None:
    """Train and score models on tasks.

    Every (model, task, seed) is one job and leaves one record in the store. A job that was interrupted goes on from its
    last checkpoint when the same command is given again.
    """
    from mae_bench.executors.local import choose_device, run_jobs
    from mae_bench.plan import plan
    from mae_bench.records.store import Store
    from mae_bench.registry import check_models, resolve_models, resolve_tasks
    from mae_bench.report.progress import run_display

    resolved_tasks = resolve_tasks(tasks)
    jobs = plan(resolve_models(models), resolved_tasks, preset, seeds)
    device = choose_device(device)
    check_models(jobs)
    store = Store(output_dir)
    if dry_run:
        _print_matrix(jobs, store, overwrite_strategy)
        return
    same_command = shlex.join(["mae-bench", *context.meta[_ARGUMENTS]])
    try:
        with run_display(len(jobs), sys.stderr) as display:
            summary = run_jobs(
                jobs,
                store,
                device=device,
                overwrite=overwrite_strategy,
                exit_on_error=exit_on_error,
                max_minutes=max_minutes,
                checkpoint_minutes=checkpoint_minutes,
                report=display,
            )
    except KeyboardInterrupt:
        click.echo(f"interrupted; this goes on from the last checkpoints:\n  {same_command}", err=True)
        context.exit(130)
    try:
        _print_boards(_select(store, resolved_tasks, preset), resolved_tasks)
    finally:
        _print_summary(summary, same_command, overwrite_strategy)
    context.exit(1 if summary.failed else 0)


@main.command("list")
@click.argument("what", type=click.Choice(["models", "tasks"]))
def list_names(what: str) -> None:
    """Show what has a name: models with their parameters, tasks with their presets, and where each comes from."""
    from mae_bench.registry import list_models, list_tasks
    from mae_bench.report.listing import print_models, print_tasks

    if what == "models":
        print_models(list_models(), sys.stdout)
    else:
        print_tasks(list_tasks(), sys.stdout)


main.add_command(check_model)
main.add_command(new_model)


@main.command()
@click.option(
    "--results",
    type=click.Path(file_okay=False, path_type=Path),
    default="leaderboard/results",
    show_default=True,
    help="The folder whose records are shown.",
)
@click.option("-t", "--tasks", help="Show these tasks alone; all that have a name, unless given.")
@click.option("--preset", help="Show this preset alone.")
@click.option("--markdown", is_flag=True, help="Print Markdown instead of tables for a terminal.")
def leaderboard(results: Path, tasks: str | None, preset: str | None, markdown: bool) -> None:
    """Show the boards: one table a (task, preset), with the rows that others reported beneath."""
    from mae_bench.records.store import Store
    from mae_bench.registry import known_tasks, resolve_tasks

    shown = resolve_tasks(tasks) if tasks else known_tasks()
    records = _select(Store(results), shown if tasks else None, preset)
    if not records:
        click.echo(
            f"no record under {results} fits; give another folder with --results, or fill it by submit.", err=True
        )
    _print_boards(records, shown, markdown)


@main.command()
@click.argument("records", metavar="RECORD...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--to",
    "board",
    type=click.Path(file_okay=False, path_type=Path),
    default="leaderboard",
    show_default=True,
    help="The board's folder.",
)
@click.pass_context
def submit(context: click.Context, records: tuple[Path, ...], board: Path) -> None:
    """Check records, copy them to a board and render its README.md anew.

    RECORD is a file, or a folder that is searched for records. One refused record stops the whole submission.
    """
    from mae_bench.records.store import Store
    from mae_bench.records.submit import submit as submit_records
    from mae_bench.registry import known_tasks

    tasks = known_tasks()
    result = submit_records(records, board, tasks)
    for sentence in result.refused:
        click.echo(f"refused: {sentence}", err=True)
    if result.refused:
        context.exit(1)
    _print_boards(Store(board / "results").records(), tasks)
    for path in result.copied:
        click.echo(f"added {path}")


main.add_command(verify)
main.add_command(compare)


def _print_matrix(jobs: "Sequence[Job]", store: "Store", strategy: OverwriteStrategy) -> None:
    """Every job with the state of its record, and how many would run."""
    from mae_bench.executors.local import kept_record

    for job in jobs:
        record = store.find(job)
        state = "missing" if record is None else "done" if record.training.status == "complete" else "partial"
        click.echo(f"{state:8}{job.title}")
    would_run = sum(kept_record(store, job, strategy) is None for job in jobs)
    click.echo(f"{len(jobs)} jobs, of which {would_run} would run; nothing was trained")


def _select(store: "Store", tasks: "Sequence[Task] | None", preset: str | None) -> "list[Record]":
    """The store's records of these tasks and this preset; None stands for all."""
    names = None if tasks is None else {task.name for task in tasks}
    return [
        record
        for record in store.records()
        if (names is None or record.task.name in names) and preset in (None, record.preset)
    ]


def _print_boards(records: "Sequence[Record]", tasks: "Sequence[Task]", markdown: bool = False) -> None:
    from mae_bench.records.aggregate import boards

    found = boards(records, tasks)
    if markdown:
        from mae_bench.report.markdown import render_boards

        click.echo(render_boards(found), nl=False)
        return
    from rich.console import Console

    from mae_bench.report.terminal import print_boards

    print_boards(found, Console(file=sys.stdout))


def _print_summary(summary: "RunSummary", same_command: str, strategy: OverwriteStrategy) -> None:
    """What failed and why, the counts, and the command that retries: the last lines of a run."""
    for job, sentence in summary.failed:
        click.echo(f"failed: {job.title}: {sentence}")
    click.echo(f"{len(summary.done)} done, {len(summary.cached)} cached, {len(summary.failed)} failed")
    if summary.failed or (summary.partial and strategy != "never"):
        click.echo(f"to run the failed and go on with the partial ones:\n  {same_command}")
