"""Plots of training, by epoch: of one row's seeds, and of all rows of a board."""

from collections.abc import Callable, Sequence

from mae_bench.boards.aggregate import Board
from mae_bench.records.schema import EpochRow, Record
from mae_bench.report.layout import format_sample
from mae_bench.report.plots import Plot, Point, Series, drawable, mean_series

NEGATIVE_ELBO, OWN_LOSS = "validation -ELBO", "validation loss of the model's own"
LOSSES: dict[str, Callable[[EpochRow], float | None]] = {
    NEGATIVE_ELBO: lambda epoch: epoch.validation_negative_elbo,
    OWN_LOSS: lambda epoch: epoch.validation_loss,
    "reconstruction error in training": lambda epoch: epoch.train.get("reconstruction_error"),
    "KL in training": lambda epoch: epoch.train.get("kl"),
}
"""Title -> what a training curve says of an epoch: nats an image, or what the model's own loss is in."""
SEED_LOOKS = tuple(f"seed-{number}" for number in range(8))
"""The looks of seeds, in turn; those of their training images have " training" besides."""


def validation_curve(curve: Sequence[EpochRow]) -> tuple[str, dict[int, float | None]]:
    """What a training was validated by, and its value after each epoch: the negative ELBO, or else the model's loss."""
    by_loss = any(epoch.validation_loss is not None for epoch in curve)
    by_elbo = any(epoch.validation_negative_elbo is not None for epoch in curve)
    title = OWN_LOSS if by_loss and not by_elbo else NEGATIVE_ELBO
    return title, {epoch.epoch: LOSSES[title](epoch) for epoch in curve}


def training_by_seed(records: Sequence[Record], key: str) -> Plot:
    """What every epoch of each of `records` was validated by, and the same of its training images: two lines a seed."""
    title, _ = validation_curve([epoch for record in records for epoch in record.training.curve])
    found = {f"seed {record.seed}": _curves(record, title) for record in records}
    lines = [
        (
            f"{seed}, {split}",
            curve,
            SEED_LOOKS[number % len(SEED_LOOKS)] + ("" if split == "validation" else " training"),
        )
        for number, (seed, curves) in enumerate(found.items())
        for split, curve in curves.items()
    ]
    name, unit, what = "-ELBO", ", nats", "negative evidence lower bound in nats an image"
    if title == OWN_LOSS:
        name, unit, what = "own loss", "", "model's own loss"
    return Plot(
        key=key,
        title=f"Training: {name} after each epoch",
        description=f"Two lines for each seed: the {what} after each epoch, on the validation images (solid) and on "
        "the training images as they were shown (dashed). Lower is better.",
        x_label="epoch",
        y_label=f"{name}{unit}",
        series=tuple(
            Series(label, drawable(Point(x, y) for x, y in curve.items() if y is not None), look, label)
            for label, curve, look in lines
        ),
        headings=("epoch", *(label for label, _, _ in lines)),
        rows=tuple(
            (str(epoch), *(format_sample("negative_elbo", curve.get(epoch)) for _, curve, _ in lines))
            for epoch in sorted({epoch for _, curve, _ in lines for epoch in curve})
        ),
        whole=True,
    )


def _curves(record: Record, title: str) -> dict[str, dict[int, float | None]]:
    """By epoch, of the validation images and, if the model says it, of the training images."""
    curve = record.training.curve
    validation = {epoch.epoch: LOSSES[title](epoch) for epoch in curve}
    training = {epoch.epoch: value for epoch in curve if (value := _in_training(epoch, title)) is not None}
    return {"validation": validation, **({"training": dict(training)} if training else {})}


def _in_training(epoch: EpochRow, title: str) -> float | None:
    """The sum of both terms of the ELBO, or the model's own loss."""
    if title == OWN_LOSS:
        return epoch.train.get("loss")
    error, kl = epoch.train.get("reconstruction_error"), epoch.train.get("kl")
    return None if error is None or kl is None else error + kl


def training_by_model(board: Board) -> list[Plot]:
    """A plot for each of LOSSES, by epoch: a line for each ranked row, the mean over its seeds.

    That of models' own losses is left out if no row has one.
    """

    def curve_of(loss: Callable[[EpochRow], float | None]) -> Callable[[Record], dict[int, float]]:
        return lambda record: {
            epoch.epoch: value for epoch in record.training.curve if (value := loss(epoch)) is not None
        }

    plots = [
        Plot(
            key="training",
            title=title,
            description="One line for each model, by epoch.",
            x_label="epoch",
            y_label="nats an image",
            series=mean_series(board, curve_of(loss)),
            needs="a training curve",
        )
        for title, loss in LOSSES.items()
    ]
    return [plot for plot in plots if plot.title != OWN_LOSS or any(series.points for series in plot.series)]
