"""The verbs that judge records, verify and compare: parse, call, print. Imports click alone until one is called."""

import sys
from pathlib import Path

import click

from mae_bench.errors import RecordError


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.pass_context
def verify(context: click.Context, paths: tuple[Path, ...]) -> None:
    """Check records: whether they are whole, of this protocol and data, and possible.

    PATH is a file, or a folder that is searched for records; leaderboard/results unless given. What `submit` refuses is
    refused here by the same sentences. No code of a submission is imported.
    """
    from mae_bench.records.verify import describe_run
    from mae_bench.records.verify import verify as verify_records
    from mae_bench.registry import known_tasks

    verification = verify_records(paths or [Path("leaderboard/results")], known_tasks())
    for record in verification.good:
        click.echo(f"good: {describe_run(record)}: {record.key}.json")
    for fault in verification.faults:
        click.echo(f"refused: {fault}", err=True)
    click.echo(f"{len(verification.good)} good, {len(verification.faults)} faults")
    context.exit(1 if verification.faults else 0)


@click.command()
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("head", type=click.Path(exists=True, path_type=Path))
@click.option("--fail-on-regression", is_flag=True, help="Exit with 1 where a metric is worse, or none is comparable.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write the tables there as Markdown.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write a JUnit XML file there.")
@click.pass_context
def compare(
    context: click.Context,
    *,
    base: Path,
    head: Path,
    fail_on_regression: bool,
    markdown: Path | None,
    junit: Path | None,
) -> None:
    """Say what got better and what worse from BASE to HEAD, each a record or a folder of records.

    A change counts where it exceeds the tolerance in the task's file and Welch's test over seeds is significant.
    """
    from rich.console import Console

    from mae_bench.atomic import write_atomically
    from mae_bench.records.compare import compare as compare_records
    from mae_bench.records.compare import read_side
    from mae_bench.registry import known_tasks
    from mae_bench.report.comparison import RULE, lay_out_comparisons, render_comparisons, render_junit, summarise
    from mae_bench.report.terminal import print_layout

    comparisons = compare_records(read_side(base), read_side(head), known_tasks())
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
