"""The verb that draws, figures: parse, call, print. Imports click alone until it is called."""

import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mae_bench.cli.shared import ARGUMENTS, Choice, GivenPath, device_option, model_files_option
from mae_bench.foundation.errors import UsageError
from mae_bench.report.figures import FIGURES

if TYPE_CHECKING:
    from mae_bench.planning.task import Task
    from mae_bench.records.schema import Record
    from mae_bench.records.store import Store


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
@click.option(
    "--pictures",
    is_flag=True,
    help="Draw no figure, but the pictures that a run leaves beside its records, where there are none.",
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
    pictures: bool,
    model_files: tuple[Path | str, ...],
    device: str,
) -> None:
    """Draw the figures of the paper from the finished records in RESULTS and their checkpoints; train nothing.

    Reconstructions, samples and t-SNE need the checkpoints that a run leaves beside its records, and import the code of
    their models; NLL against samples, the score against KL and the training curves need the records alone. The same
    records and checkpoints give the same bytes on the same machine.
    """
    if pictures and names:
        raise UsageError("--pictures draws no figure, and --only names one; give one of them.")
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
    if pictures:
        _draw_pictures(
            records,
            store,
            tasks=shown,
            checkpoints=checkpoints,
            model_files=model_files,
            device=choose_device(device),
        )
        return
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


def _draw_pictures(
    records: "Sequence[Record]",
    store: "Store",
    *,
    tasks: "Sequence[Task]",
    checkpoints: Path | None,
    model_files: Sequence[Path | str],
    device: str,
) -> None:
    """Draw the pictures of every record that has none, and say of each record what was drawn, or why nothing was."""
    from mae_bench.foundation.errors import MaeBenchError
    from mae_bench.job.gallery import MOST_SECONDS, draw_pictures, recorded_job
    from mae_bench.job.trained import checkpoint_of
    from mae_bench.records.pictures import KINDS, picture_path, replace_pictures

    by_name, drawn = {task.name: task for task in tasks}, 0
    lacking = [
        record for record in records if not any(picture_path(store.path_of(record), kind).exists() for kind in KINDS)
    ]
    for record in lacking:
        path, task = store.path_of(record), by_name.get(record.task.name)
        weights = checkpoint_of(record, path, checkpoints)
        try:
            if not path.exists():
                raise UsageError("its file is not where a store would have it; give the store's own folder.")
            if task is None or record.preset not in task.presets:
                raise UsageError("its task is not known here; give its file with --tasks.")
            if weights is None:
                raise UsageError("it has no checkpoint; name the store that has it with --checkpoints.")
            job = recorded_job(record, task, model_files)
            if job.key != record.key:
                raise UsageError("it is of another version of its task or of this mae-bench; run its job again.")
            found = draw_pictures(job, weights, device, MOST_SECONDS)
        except MaeBenchError as error:
            click.echo(f"left out: {record.title}: {error}", err=True)
            continue
        made = {kind: picture for kind, picture in found.items() if isinstance(picture, bytes)}
        replace_pictures(path, made)
        drawn += len(made)
        for kind, picture in found.items():
            if isinstance(picture, str):
                click.echo(f"left out: {record.title}: {kind}: {picture}", err=True)
        if made:
            click.echo(f"{record.title}: {' and '.join(made)}")
    click.echo(f"{drawn} pictures drawn for {len(lacking)} records that had none")
