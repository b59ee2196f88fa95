"""The verb that compares two sets of records, compare: parse, call, print. Imports click alone until it is called."""

import sys
from pathlib import Path

import click

from mae_bench.cli.shared import GivenPath, tasks_option, tasks_to_judge_by
from mae_bench.foundation.errors import RecordError


@click.command()
@click.argument("base", type=GivenPath(exists=True))
@click.argument("head", type=GivenPath(exists=True))
@tasks_option
@click.option("--fail-on-regression", is_flag=True, help="Exit with 1 if a metric is worse, or none is comparable.")
@click.option("--markdown", type=GivenPath(dir_okay=False), help="Write the tables there as Markdown.")
@click.option("--junit", type=GivenPath(dir_okay=False), help="Write a JUnit XML file there.")
@click.pass_context
def compare(
    context: click.Context,
    *,
    base: Path,
    head: Path,
    tasks: str | None,
    fail_on_regression: bool,
    markdown: Path | None,
    junit: Path | None,
) -> None:
    """Say what got better and what worse from BASE to HEAD, each a record or a folder of records.

    A change counts if it exceeds the tolerance in the task's file and Welch's test over seeds is significant. A
    model that one side lacks is not comparable, and no regression: HEAD may hold only some of BASE's models.
    """
    from rich.console import Console

    from mae_bench.boards.compare import compare as compare_records
    from mae_bench.boards.compare import read_side
    from mae_bench.foundation.atomic import write_atomically
    from mae_bench.report.comparison import RULE, lay_out_comparisons, render_comparisons, render_junit, summarise
    from mae_bench.report.terminal import print_layout

    comparisons = compare_records(read_side(base), read_side(head), tasks_to_judge_by(tasks))
    console = Console(file=sys.stdout)
    for layout in lay_out_comparisons(comparisons):
        print_layout(layout, console)
    click.echo(RULE)
    click.echo(summarise(comparisons))
    if markdown:
        write_atomically(markdown, render_comparisons(comparisons).encode())
    if junit:
        write_atomically(junit, render_junit(comparisons))
    verdicts = {comparison.verdict for comparison in comparisons}
    if fail_on_regression and verdicts == {"not comparable"}:
        raise RecordError(f"nothing in {base} and {head} could be compared; give records of the same jobs.")
    context.exit(1 if fail_on_regression and "worse" in verdicts else 0)
