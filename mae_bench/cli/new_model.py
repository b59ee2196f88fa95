"""The verb that begins a model, new-model: parse, call, print. Imports click alone until it is called."""

from pathlib import Path

import click


@click.command()
@click.argument("name")
def new_model(name: str) -> None:
    """Write NAME.py, a working adapter to begin with, and test_NAME.py into this folder."""
    from mae_bench.planning.new_model import write_model

    adapter, test = write_model(name, Path())
    click.echo(
        f"wrote {adapter} and {test}; next:\n"
        f"  mae-bench check-model {adapter}\n"
        f"  mae-bench run --models {adapter} --tasks digits --preset smoke"
    )
