"""The verb that looks at jobs, status: parse, call, print. Imports click alone until it is called."""

import sys
import time
from collections import Counter
from pathlib import Path

import click

from mae_bench.cli.shared import GivenPath


@click.command()
@click.argument("directory", metavar="[DIR]", default="results", type=GivenPath(exists=True, file_okay=False))
def status(directory: Path) -> None:
    """Show every job under DIR, results unless given: running, stale, failed, stopped, partial or done.

    Works from any machine that sees the folder, while a run is on and after it, however it ended. Stale: said to run,
    and silent.
    """
    from rich.console import Console

    from mae_bench.report.jobs import draw, job_rows
    from mae_bench.report.listing import WIDTH_OF_A_PIPE

    rows = job_rows(directory, time.time())
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else WIDTH_OF_A_PIPE)
    console.print(draw(rows))
    states = Counter(row.state.partition(":")[0] for row in rows)
    click.echo(", ".join(f"{count} {state}" for state, count in states.items()) or f"no job under {directory}")
