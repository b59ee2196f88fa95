"""The verb that draws, figures: parse, call, print. Imports click alone until called."""

import shlex
from pathlib import Path

import click

from mae_bench.cli_jobs import ARGUMENTS, model_files_option
from mae_bench.errors import UsageError
from mae_bench.report.figures import FIGURES


@click.command()
@click.argument("results", metavar="[RESULTS]", default="results", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default="figures",
    show_default=True,
    help="The folder for the figures and the page about them, README.md.",
)
@click.option(
    "--only",
    "names",
    multiple=True,
    type=click.Choice(list(FIGURES)),
    help="Draw this figure alone; may be repeated. All, unless given.",
)
@click.option("-t", "--tasks", help="Names, or paths of TOML files; all that have a name, unless given.")
@click.option("--preset", help="Draw this preset alone.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Draw records of this seed alone.  [default: means over all; images from the lowest that has a checkpoint]",
)
@click.option(
    "--checkpoints",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The store that has the checkpoints; RESULTS, unless given.",
)
@model_files_option
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1.")
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
    model_files: tuple[Path, ...],
    device: str,
) -> None:
    """Draw the figures of the paper from the finished records in RESULTS and their checkpoints; train nothing.

    Reconstructions, samples and t-SNE need the checkpoints that a run leaves beside its records, and import the code of
    their models; NLL against samples, KL against the score and the training curves need the records alone. The same
    records and checkpoints give the same bytes on the same machine.
    """
    from mae_bench.executors.local import choose_device
    from mae_bench.records.store import Store
    from mae_bench.registry import known_tasks, resolve_tasks
    from mae_bench.report.figures.make import make_figures
    from mae_bench.report.figures.trained import Checkpoints

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
        Checkpoints(store, checkpoints, model_files, choose_device(device)),
        output,
        names=[name for name in FIGURES if not names or name in names],
        command=shlex.join(["mae-bench", *context.meta[ARGUMENTS]]),
        say=lambda sentence: click.echo(sentence, err=True),
    )
    click.echo(page)
