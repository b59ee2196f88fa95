"""The command line: one function a verb: parse, call, print. Imports click alone until a verb needs more."""

import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mae_bench import __version__
from mae_bench.cli_evaluate import evaluate
from mae_bench.cli_figures import figures
from mae_bench.cli_jobs import ARGUMENTS
from mae_bench.cli_models import check_model, new_model
from mae_bench.cli_records import compare, tasks_option, tasks_to_judge_by, verify
from mae_bench.cli_run import run, status
from mae_bench.errors import MaeBenchError, UsageError
from mae_bench.text import printable

if TYPE_CHECKING:
    from mae_bench.records.aggregate import Board
    from mae_bench.records.store import Store
    from mae_bench.task import Task


class _Verbs(click.Group):
    """A group that remembers how it was called, and shows an expected failure as one line and an exit status."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        context.meta[ARGUMENTS] = list(arguments)
        return super().parse_args(context, arguments)

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except MaeBenchError as error:
            click.echo(f"error: {error}", err=True)
            context.exit(2 if isinstance(error, UsageError) else 1)
        except KeyboardInterrupt as error:
            context.exit(getattr(error, "exit_status", 130))
        except OSError as error:
            if not (sentence := _describe_file_fault(error)):
                raise
            click.echo(f"error: {printable(sentence)}", err=True)
            context.exit(2)


def _describe_file_fault(error: OSError) -> str | None:
    """A sentence about the file that cannot be read or written; None where the error is of something else."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"a file cannot be written ({error.strerror}); make room, or give a path where there is some."
    name = error.filename2 or error.filename
    if name is None or error.strerror is None:
        return None
    return f"{name} cannot be read or written ({error.strerror}); give another path, or mend what stands in its way."


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="mae-bench")
def main() -> None:
    """Train variational autoencoders, score them by one protocol, and compare them on a leaderboard.

    Exit status: 0 good; 1 a failed job, a refused record or a regression; 2 a wrong name, option or value; 130
    interrupted.
    """


main.add_command(run)
main.add_command(evaluate)
main.add_command(status)


@main.command("list")
@click.argument("what", type=click.Choice(["models", "tasks", "suites"]))
def list_names(what: str) -> None:
    """Show what has a name: models with their parameters, tasks with their presets, suites with what they run."""
    from mae_bench.registry import list_models, list_tasks
    from mae_bench.report.listing import print_models, print_suites, print_tasks
    from mae_bench.suites import list_suites

    if what == "models":
        print_models(list_models(), sys.stdout)
    elif what == "tasks":
        print_tasks(list_tasks(), sys.stdout)
    else:
        print_suites(list_suites(), sys.stdout)


main.add_command(check_model)
main.add_command(new_model)


@main.command()
@click.option(
    "--results",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder whose records are shown.  [default: leaderboard/results]",
)
@click.option("-t", "--tasks", help="Show these tasks alone; all that have a name, unless given.")
@click.option("--preset", help="Show this preset alone.")
@click.option(
    "--layout",
    metavar="SUITE",
    help="Lay the records out in the tables of a suite, a name or the path of a TOML file, beside what was reported.",
)
@click.option("--markdown", is_flag=True, help="Print Markdown instead of tables for a terminal.")
@click.option(
    "--html",
    "site",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a static site there, to be opened from DIR/index.html, and print nothing but its address.",
)
def leaderboard(
    *,
    results: Path | None,
    tasks: str | None,
    preset: str | None,
    layout: str | None,
    markdown: bool,
    site: Path | None,
) -> None:
    """Show the boards: one table a (task, preset), with the rows that others reported beneath."""
    from mae_bench.records.aggregate import boards
    from mae_bench.records.store import Store
    from mae_bench.registry import known_tasks, resolve_tasks

    if markdown and site:
        raise UsageError("--markdown and --html exclude each other; give one of the two.")
    results = results or Path("leaderboard/results")
    if layout:
        if tasks or site:
            raise UsageError("--layout prints the tables of its suite alone; leave out --tasks and --html.")
        _print_suite_tables(layout, Store(results), preset, markdown)
        return

    known = resolve_tasks(tasks) if tasks else known_tasks()
    names = {task.name for task in known}
    records = [record for record in Store(results).records() if not tasks or record.task.name in names]
    shown = _at_preset(boards(records, known), known, preset)
    if not any(board.rows or board.unranked for board in shown):
        click.echo(
            f"no record under {results} fits; give another folder with --results, or fill it by submit.", err=True
        )
    if site:
        _write_site(site, shown, known, results)
    else:
        _print_boards(shown, known, results, markdown)


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
@tasks_option
@click.pass_context
def submit(context: click.Context, records: tuple[Path, ...], board: Path, tasks: str | None) -> None:
    """Check records, copy them to a board, render its README.md and its site anew, and print what reviewers will see.

    RECORD is a file, or a folder that is searched for records. One refused record stops the whole submission.
    """
    from mae_bench.records.submit import submit as submit_records
    from mae_bench.report.submission import print_submission

    result = submit_records(records, board, tasks_to_judge_by(tasks))
    for sentence in result.refused:
        click.echo(f"refused: {sentence}", err=True)
    if result.board is None:
        context.exit(1)
    print_submission(result.copied, result.board, sys.stdout)


main.add_command(verify)
main.add_command(compare)
main.add_command(figures)


def _at_preset(found: "Sequence[Board]", tasks: "Sequence[Task]", preset: str | None) -> "Sequence[Board]":
    """Those of `found` at this preset, None for all. UsageError for a preset that no task and no board has.

    Chosen from boards and not from records, so that no task that was measured at another preset alone has a board
    which says that nothing has been measured.
    """
    from mae_bench.names import did_you_mean

    if preset is None:
        return found
    presets = {name for task in tasks for name in task.presets} | {board.preset for board in found}
    if preset not in presets:
        raise UsageError(f"there is no preset {preset!r}{did_you_mean(preset, presets, 'presets')}")
    return [board for board in found if board.preset == preset]


def _print_suite_tables(name: str, store: "Store", preset: str | None, markdown: bool) -> None:
    from mae_bench.report.suite_tables import SUITE_LEGEND, lay_out_suite
    from mae_bench.suites import load_suite

    suite = load_suite(name)
    if not suite.tables:
        raise UsageError(f"suite {name} has no tables to lay records out in; add [[tables]] to its file.")
    layouts = lay_out_suite(suite, store.records(), preset)
    if markdown:
        from mae_bench.report.markdown import escape, render_layout

        click.echo("\n".join([f"{escape(SUITE_LEGEND)}\n", *map(render_layout, layouts)]), nl=False)
        return
    from rich.console import Console

    from mae_bench.report.terminal import print_layout

    console = Console(file=sys.stdout)
    for layout in layouts:
        print_layout(layout, console)
    click.echo(SUITE_LEGEND)


def _write_site(site: Path, shown: "Sequence[Board]", tasks: "Sequence[Task]", results: Path) -> None:
    from mae_bench.report.badges import read_badges
    from mae_bench.report.html.site import write_site

    click.echo(write_site(site, shown, read_badges(results, tasks), results))


def _print_boards(shown: "Sequence[Board]", tasks: "Sequence[Task]", results: Path, markdown: bool) -> None:
    """Print boards of records that come from the folder `results`."""
    from mae_bench.report.badges import read_verified

    badges = read_verified(results, tasks)
    if markdown:
        from mae_bench.report.markdown import render_boards

        click.echo(render_boards(shown, badges), nl=False)
        return
    from rich.console import Console

    from mae_bench.report.terminal import print_boards

    print_boards(shown, Console(file=sys.stdout), badges)
