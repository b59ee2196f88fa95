"""The verb that shows what has a name, list: parse, call, print. Imports click alone until it is called."""

import sys

import click


@click.command("list")
@click.argument("what", type=click.Choice(["models", "tasks", "suites"]))
def list_names(what: str) -> None:
    """Show what has a name: models with their parameters, tasks with their presets, suites with what they run."""
    from mae_bench.planning.registry import list_models, list_tasks
    from mae_bench.planning.suites import list_suites
    from mae_bench.report.listing import print_models, print_suites, print_tasks

    if what == "models":
        print_models(list_models(), sys.stdout)
    elif what == "tasks":
        print_tasks(list_tasks(), sys.stdout)
    else:
        print_suites(list_suites(), sys.stdout)
