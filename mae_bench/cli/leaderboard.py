"""The verb that shows boards, leaderboard: parse, call, print. Imports click alone until it is called."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import click

from mae_bench.cli.shared import GivenPath
from mae_bench.foundation.errors import UsageError

if TYPE_CHECKING:
    from mae_bench.boards.aggregate import Board
    from mae_bench.planning.task import Task
    from mae_bench.records.store import Store
    from mae_bench.review.badges import Badges

FileFormat = Literal["csv", "json", "parquet", "latex"]


@click.command()
@click.option(
    "--results",
    type=GivenPath(exists=True, file_okay=False),
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
    "--format",
    "file_format",
    type=click.Choice(get_args(FileFormat)),
    help="Print this instead, for other programs: csv, json and parquet have a row for every metric of every row, "
    "latex a table for each board.",
)
@click.option(
    "--html",
    "site",
    metavar="DIR",
    type=GivenPath(file_okay=False),
    help="Write a static site there, to be opened from DIR/index.html, and print nothing but its address.",
)
def leaderboard(
    *,
    results: Path | None,
    tasks: str | None,
    preset: str | None,
    layout: str | None,
    markdown: bool,
    file_format: FileFormat | None,
    site: Path | None,
) -> None:
    """Show the boards: one table a (task, preset), with the rows that others reported beneath."""
    from mae_bench.boards.aggregate import boards
    from mae_bench.planning.registry import known_tasks, resolve_tasks
    from mae_bench.records.store import Store
    from mae_bench.report.html.site import write_site
    from mae_bench.review.badges import read_badges, read_verified

    if sum(map(bool, (markdown, file_format, site))) > 1:
        raise UsageError("--markdown, --format and --html exclude each other; give one of them.")
    results = results or Path("leaderboard/results")
    if layout:
        if tasks or site or file_format not in (None, "latex"):
            raise UsageError(
                "--layout prints the tables of its suite alone; leave out --tasks, --html and any --format but latex."
            )
        _print_suite_tables(layout, Store(results), preset, "markdown" if markdown else file_format)
        return
    if file_format:
        _check_format(file_format)

    known = resolve_tasks(tasks) if tasks else known_tasks()
    names = {task.name for task in known}
    records = [record for record in Store(results).records() if not tasks or record.task.name in names]
    badges = (read_badges if site else read_verified)(results, known)
    shown = _at_preset(boards(records, known, badges.verified), known, preset)
    if not any(board.rows or board.unranked for board in shown):
        click.echo(
            f"no record under {results} fits; give another folder with --results, or fill it by submit.", err=True
        )
    if site:
        click.echo(write_site(site, shown, badges, results))
    elif file_format:
        _print_file(shown, badges, file_format)
    else:
        _print_boards(shown, badges, markdown)


def _at_preset(found: "Sequence[Board]", tasks: "Sequence[Task]", preset: str | None) -> "Sequence[Board]":
    """Those of `found` at this preset, None for all. UsageError for a preset that no task and no board has.

    Chosen from boards and not from records, so that no task that was measured at another preset alone has a board
    which says that nothing has been measured.
    """
    from mae_bench.planning.names import did_you_mean

    if preset is None:
        return found
    presets = {name for task in tasks for name in task.presets} | {board.preset for board in found}
    if preset not in presets:
        raise UsageError(f"there is no preset {preset!r}{did_you_mean(preset, presets, 'presets')}")
    return [board for board in found if board.preset == preset]


def _check_format(file_format: FileFormat) -> None:
    """UsageError if a file of this format cannot be written, or not to where the output goes."""
    if file_format != "parquet":
        return
    if find_spec("pyarrow") is None:
        raise UsageError("--format parquet needs pyarrow; install mae-bench[parquet], or take csv.")
    if sys.stdout.isatty():
        raise UsageError("--format parquet is not for a terminal; send it into a file by > board.parquet.")


def _print_file(shown: "Sequence[Board]", badges: "Badges", file_format: FileFormat) -> None:
    from mae_bench.report.frames import boards_frame
    from mae_bench.report.latex import render_latex
    from mae_bench.report.layout import lay_out

    if file_format == "latex":
        click.echo(render_latex(lay_out(board, badges) for board in shown), nl=False)
        return
    frame = boards_frame(shown, badges)
    if file_format == "parquet":
        click.echo(frame.to_parquet(index=False), nl=False)
    elif file_format == "json":
        click.echo(frame.to_json(orient="records", indent=1, double_precision=15))
    else:
        click.echo(frame.to_csv(index=False), nl=False)


def _print_suite_tables(name: str, store: "Store", preset: str | None, form: str | None) -> None:
    from mae_bench.planning.suites import load_suite
    from mae_bench.report.suite_tables import SUITE_LEGEND, lay_out_suite

    suite = load_suite(name)
    if not suite.tables:
        raise UsageError(f"suite {name} has no tables to lay records out in; add [[tables]] to its file.")
    layouts = lay_out_suite(suite, store.records(), preset)
    if form == "latex":
        from mae_bench.report.latex import render_latex

        click.echo(render_latex(layouts), nl=False)
        return
    if form == "markdown":
        from mae_bench.report.markdown import escape, render_layout

        click.echo("\n".join([f"{escape(SUITE_LEGEND)}\n", *map(render_layout, layouts)]), nl=False)
        return
    from rich.console import Console

    from mae_bench.report.terminal import print_layout

    console = Console(file=sys.stdout)
    for layout in layouts:
        print_layout(layout, console)
    click.echo(SUITE_LEGEND)


def _print_boards(shown: "Sequence[Board]", badges: "Badges", markdown: bool) -> None:
    if markdown:
        from mae_bench.report.markdown import render_boards

        click.echo(render_boards(shown, badges), nl=False)
        return
    from rich.console import Console

    from mae_bench.report.terminal import print_boards

    print_boards(shown, Console(file=sys.stdout), badges)
