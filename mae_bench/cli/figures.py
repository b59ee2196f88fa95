"""The verb that draws, figures: parse, call, print. Imports click alone until it is called."""

import shlex
from functools import partial
from pathlib import Path

import click

from mae_bench.cli.shared import ARGUMENTS, Choice, GivenPath, device_option, model_files_option
from mae_bench.foundation.errors import UsageError
from mae_bench.report.figures import FIGURES


@click.command()
@click.argument("results", metavar="[RESULTS]", default="results", type=GivenPath(file_okay=False))
@click.option(
    "-o",
    "--output",
    type=GivenPath(file_okay=False),
    default="figures",
    show_default=True,
    help="The folder for the figures and the page about them, README.md.",
)
@click.option(
    "--only",
    "names",
    multiple=True,
    type=Choice(list(FIGURES)),
    help="Draw this figure alone; may be repeated.  [default: all]",
)
@click.option("-t", "--tasks", help="Names, or paths of TOML files.  [default: all that have a name]")
@click.option("--preset", help="Draw this preset alone.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Draw records of this seed alone.  [default: means over all; images from the lowest that has a checkpoint]",
)
@click.option(
    "--checkpoints",
    type=GivenPath(exists=True, file_okay=False),
    help="The store that has the checkpoints.  [default: RESULTS]",
)
@model_files_option
@device_option
@click.pass_context
def figures(
    context: click.Context,
    *,
    results: Path,
    output: Path,
    names: tuple[str, ...],
    tasks: str | None,
    preset: str | None,
    seed: int | None,
    checkpoints: Path | None,
    model_files: tuple[Path | str, ...],
    device: str,
) -> None:
    """Draw the figures of the paper from the finished records in RESULTS and their checkpoints; train nothing.

    Reconstructions, samples and t-SNE need the checkpoints that a run leaves beside its records, and import the code of
    their models; NLL against samples, the score against KL and the training curves need the records alone. The same
    records and checkpoints give the same bytes on the same machine.
    """
    from mae_bench.executors.local import choose_device
    from mae_bench.job.gallery import Gallery
    from mae_bench.job.trained import checkpoint_of
    from mae_bench.planning.registry import known_tasks, resolve_tasks
    from mae_bench.records.store import Store
    from mae_bench.report.figures.make import make_figures

    store, shown = Store(results), resolve_tasks(tasks) if tasks else known_tasks()
    records = [
        record
        for record in store.records()
        if (not tasks or record.task.name in {task.name for task in shown})
        and preset in (None, record.preset)
        and seed in (None, record.seed)
    ]
    if not records:
        raise UsageError(
            f"no finished record under {results} fits; run the models first, as mae-bench run --suite paper-figures "
            "does, or give another folder."
        )
    page = make_figures(
        records,
        shown,
        output,
        gallery_of=partial(Gallery, model_files=model_files, device=choose_device(device)),
        weights_of=lambda record: checkpoint_of(record, store.path_of(record), checkpoints),
        names=[name for name in FIGURES if not names or name in names],
        command=shlex.join(["mae-bench", *context.meta[ARGUMENTS]]),
        say=lambda sentence: click.echo(sentence, err=True),
    )
    click.echo(page)
