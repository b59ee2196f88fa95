"""The verb that checks task files, check-task: parse, call, print. Imports click alone until it is called."""

from pathlib import Path

import click

from mae_bench.cli.shared import GivenPath


@click.command()
@click.argument("file", type=GivenPath(exists=True, dir_okay=False))
@click.option("--preset", help="Check this preset alone.  [default: every preset of the file]")
@click.pass_context
def check_task(context: click.Context, file: Path, preset: str | None) -> None:
    """Check the task in FILE: one line for each rule, about the file, its presets, its images and their hash.

    Exit status 1 if a rule is broken.
    """
    from mae_bench.executors.local import check_threads

    check_threads()  # before torch, which would say so too

    from mae_bench.testing.tasks import examine_task

    broken = False
    click.echo(str(file))
    for result in examine_task(file, preset):
        click.echo(f"  {result.rule:<15}{result.verdict:<16}{result.sentence}")
        broken = broken or result.verdict == "broken"
    context.exit(1 if broken else 0)
