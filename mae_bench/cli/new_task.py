"""The verb that makes a task of one's own images, new-task: parse, call, print. Imports click alone until called."""

import os
import sys
from pathlib import Path

import click

from mae_bench.foundation.errors import UsageError
from mae_bench.foundation.paths import given_path


@click.command()
@click.argument("name")
@click.option(
    "--images",
    required=True,
    metavar="FILE_OR_FOLDER",
    help="An .npz, .npy or IDX file; a folder of IDX files or of pictures, which may have a folder for each class; or "
    "hf://datasets/OWNER/NAME of the Hugging Face hub.",
)
@click.option(
    "--binary/--natural",
    default=None,
    help="Each pixel is a bit, drawn with probability grey / levels; or one of 256 levels.  [default: asked for]",
)
@click.option(
    "--levels",
    type=click.IntRange(1, 255),
    help="With --binary: the level of a pixel that is always 1.  [default: 1 for bits, else 255]",
)
@click.option("--size", type=click.IntRange(min=1), help="Scale and cut pictures to so many pixels each way.")
@click.option("--validation", type=click.IntRange(min=1), help="How many images to draw for validation.")
@click.option("--test", type=click.IntRange(min=1), help="How many to draw for the test, if there are none for it.")
def new_task(
    *,
    name: str,
    images: str,
    binary: bool | None,
    levels: int | None,
    size: int | None,
    validation: int | None,
    test: int | None,
) -> None:
    """Write NAME.toml, a task on your own images with every preset, into this folder.

    Pictures and data sets of the hub are kept in NAME.npz beside it, so that every machine has the same pixels.
    """
    from mae_bench.data.new_task import describe_images, read_for_task
    from mae_bench.planning.new_task import check_new, write_task

    path = check_new(name, Path())
    if binary is None:
        binary = _ask()
    if levels is not None and not binary:
        raise UsageError("--levels is for --binary; natural images have the levels 0 to 255.")
    given = images if "://" in images else given_path(images)
    arrays, source = read_for_task(given, path.with_suffix(".npz"), size)
    about, sentence = describe_images(
        arrays, os.path.relpath(source), binary=binary, levels=levels, validation=validation, test=test
    )
    task = write_task(name, about, sentence, path)
    click.echo(
        f"wrote {path}: {sentence}\n"
        f"{about.train} images for training, {about.validation} for validation, {about.test} for the test; "
        f"{f'{about.classes} classes' if about.classes else 'no labels, so no probes'}; "
        f"presets {', '.join(task.presets)}; next:\n"
        f"  mae-bench check-task {path}\n"
        f"  mae-bench run --models mae,vlae --tasks {path} --preset smoke"
    )


def _ask() -> bool:
    """Whether the images are binary; UsageError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise UsageError("how likely an image is must be chosen; give --binary (bits) or --natural (256 levels).")
    question = "Is each pixel a bit, drawn with probability grey / levels? Otherwise it is one of 256 levels."
    return click.confirm(question, default=None)
