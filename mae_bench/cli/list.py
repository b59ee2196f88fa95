"""The verb that shows what has a name, list: parse, call, print. Imports click alone until it is called."""

import sys

import click

from mae_bench.cli.shared import Choice


@click.command("list")
@click.argument("what", type=Choice(["models", "tasks", "suites", "metrics"]))
@click.pass_context
def list_names(context: click.Context, what: str) -> None:
    """Show what has a name: models with their parameters, tasks with their presets, suites with what they run, metrics
    with what they mean.

    Exit status 1 if one of them cannot be loaded; its row says why.
    """
    if what == "metrics":
        from mae_bench.metrics.catalogue import listed_kinds
        from mae_bench.report.listing import print_metrics

        print_metrics(listed_kinds(), sys.stdout)
        return
    from mae_bench.planning.registry import list_models, list_tasks
    from mae_bench.planning.suites import list_suites
    from mae_bench.report.listing import print_models, print_suites, print_tasks

    faults: list[str | None] = []
    if what == "models":
        print_models(models := list_models(), sys.stdout)
        faults += [model.fault for model in models]
    elif what == "tasks":
        print_tasks(tasks := list_tasks(), sys.stdout)
        faults += [task.fault for task in tasks]
    else:
        print_suites(suites := list_suites(), sys.stdout)
        faults += [suite.fault for suite in suites]
    context.exit(1 if any(faults) else 0)
