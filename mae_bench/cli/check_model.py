"""The verb that checks adapters, check-model: parse, call, print. Imports click alone until it is called."""

import click


@click.command()
@click.argument("models", metavar="MODEL")
@click.option("--preset", default="smoke", show_default=True, help="The preset whose networks are built.")
@click.pass_context
def check_model(context: click.Context, models: str, preset: str) -> None:
    """Check that MODEL, written as for run, keeps the contract of adapters: one line for each rule and likelihood.

    Exit status 1 if a rule is broken.
    """
    from mae_bench.executors.local import check_threads

    check_threads()  # before torch, which would say so too

    from mae_bench.planning.registry import load_adapter_class, resolve_models
    from mae_bench.testing import examine_adapter

    broken = False
    for model in resolve_models(models):
        click.echo(f"{model.label}, preset {preset}")
        for result in examine_adapter(load_adapter_class(model.code), dict(model.params), preset):
            click.echo(f"  {result.rule:<15}{result.verdict:<16}{result}")
            broken = broken or result.verdict == "broken"
    context.exit(1 if broken else 0)
