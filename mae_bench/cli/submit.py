"""The verb that puts records on a board, submit: parse, call, print. Imports click alone until it is called."""

import sys
from pathlib import Path

import click

from mae_bench.cli.shared import GivenPath, tasks_option, tasks_to_judge_by


@click.command()
@click.argument("records", metavar="RECORD...", nargs=-1, required=True, type=GivenPath(exists=True))
@click.option(
    "--to",
    "board",
    type=GivenPath(file_okay=False),
    default="leaderboard",
    show_default=True,
    help="The board's folder.",
)
@tasks_option
@click.pass_context
def submit(context: click.Context, records: tuple[Path, ...], board: Path, tasks: str | None) -> None:
    """Check records, copy them and their pictures to a board, render its README.md and its site anew, and print what
    reviewers will see.

    RECORD is a file, or a folder that is searched for records. One refused record stops the whole submission.
    """
    from mae_bench.report.submission import print_submission
    from mae_bench.report.submission import submit as submit_records

    result = submit_records(records, board, tasks_to_judge_by(tasks))
    for sentence in result.refused:
        click.echo(f"refused: {sentence}", err=True)
    if result.board is None:
        context.exit(1)
    for sentence in result.left_out:
        click.echo(f"note: {sentence}", err=True)
    print_submission(result.copied, result.board, sys.stdout)
