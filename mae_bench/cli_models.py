"""The verbs for authors of models, check-model and new-model: parse, call, print. Imports click alone until called."""

import sys
from pathlib import Path

import click


@click.command()
@click.argument("models", metavar="MODEL")
@click.option("--preset", default="smoke", show_default=True, help="The preset whose networks are built.")
@click.pass_context
def check_model(context: click.Context, models: str, preset: str) -> None:
    """Check that MODEL, written as for run, keeps the contract of adapters: one line for each rule.

    Exit status 1 if a rule is broken.
    """
    from mae_bench.report.checks import print_checks

    context.exit(0 if print_checks(models, preset, sys.stdout) else 1)


@click.command()
@click.argument("name")
def new_model(name: str) -> None:
    """Write NAME.py, a working adapter to begin with, and test_NAME.py into this folder."""
    from mae_bench.new_model import write_model

    adapter, test = write_model(name, Path())
    click.echo(
        f"wrote {adapter} and {test}; next:\n"
        f"  mae-bench check-model {adapter}\n"
        f"  mae-bench run --models {adapter} --tasks digits --preset smoke"
    )
