"""The verb that checks adapters, check-model: parse, call, print. Imports click alone until it is called."""

from typing import TYPE_CHECKING

import click

from mae_bench.foundation.errors import UsageError

if TYPE_CHECKING:
    from mae_bench.testing.subject import Shape


@click.command()
@click.argument("models", metavar="MODEL")
@click.option("--preset", default="smoke", show_default=True, help="The preset whose networks are built.")
@click.option(
    "-t", "--task", help="A name, or the path of a TOML file: check MODEL on images of its shape and likelihood."
)
@click.option(
    "--shape",
    metavar="C,H,W",
    help="Channels, height and width of the images: 1,28,28.  [default: of 8x8 or more, the first that MODEL can do]",
)
@click.pass_context
def check_model(context: click.Context, models: str, preset: str, task: str | None, shape: str | None) -> None:
    """Check that MODEL, written as for run, keeps the contract of adapters: one line for each rule and likelihood.

    Exit status 1 if a rule is broken, or if there were no images to check MODEL on.
    """
    from mae_bench.executors.local import check_threads

    check_threads()  # before torch, which would say so too

    from mae_bench.planning.registry import load_adapter_class, resolve_models, resolve_tasks
    from mae_bench.testing import examine_adapter, nothing_checked

    if task and shape:
        raise UsageError("--task brings its own shape; leave out one of --task and --shape.")
    sizes, likelihood = _parse_shape(shape) if shape else None, None
    if task:
        first, *others = resolve_tasks(task)
        if others:
            raise UsageError("--task takes one task; give the command once for each.")
        sizes, likelihood = first.data.shape, first.data.likelihood
    failed = False
    for model in resolve_models(models):
        click.echo(f"{model.label}, preset {preset}")
        results = []
        for result in examine_adapter(load_adapter_class(model.code), dict(model.params), preset, sizes, likelihood):
            click.echo(f"  {result.rule:<15}{result.verdict:<16}{result}")
            results.append(result)
        failed = failed or any(result.verdict == "broken" for result in results)
        if nothing_checked(results):
            click.echo("nothing was checked", err=True)
            failed = True
    context.exit(1 if failed else 0)


def _parse_shape(text: str) -> "Shape":
    """Three numbers above zero of "1,28,28"; UsageError for anything else."""
    numbers = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if len(numbers) != 3 or min(numbers) < 1:
        raise UsageError(f"--shape cannot be {text!r}; write channels, height and width, as in 1,28,28.")
    return numbers[0], numbers[1], numbers[2]
