"""What a training can have left in a record: the default loop's curve, counts and reason follow from the protocol and
losses; of a model's own fit, they must agree with one another.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from sys import float_info
from typing import Any

from pydantic import ValidationError

from mae_bench.foundation.text import quoted
from mae_bench.planning.task import SplitSizes, Task, TrainingSettings
from mae_bench.records.schema import LONGEST_DESCRIPTION, EpochRow, Record, TrainingSection
from mae_bench.review.chance import CHANCE, LARGEST_FLOAT32, ROUNDING

OWN_FIT = "the model's own fit"
"""The reason of a training that the default loop does not describe (`mae_bench.job.training_context`)."""
OWN_FIT_CUT_SHORT = re.compile(rf"{OWN_FIT}, cut short after ([0-9][0-9.e+-]{{0,20}}) minutes of training")
"""The same, partial."""
EXPLOSION = 100.0
"""The loop stops at a loss or a term this many times the first loss (`mae_bench.job.training`)."""
CUT_SHORT = re.compile(r"cut short after ([0-9][0-9.e+-]{0,20}) minutes of training(; its last weights are scored)?")
"""The reason of a partial training (`mae_bench.job.training`). The end is there if no epoch's weights are scored."""


def training_faults(record: Record, task: Task) -> Iterator[str]:
    """Faults in the section `training` of `record`."""
    training = record.training
    if training.steps == 0 or training.reason.startswith(OWN_FIT):
        yield from _own_fit_faults(record)
        return
    for name, count in (("train", training.train_images), ("validation", training.validation_images)):
        if count is not None and count < 1:
            yield f"training took {training.steps} steps, but there are {count} {name} images"
    plan = _plan(record, task)
    if plan is None:
        yield "training.own_settings are not settings of the default loop"
        return
    if any(row.validation_loss is not None for row in training.curve) and "nll" in record.metrics:
        yield "training was validated by the model's own loss, but the model has a density"
    if training.parameters < 1:
        yield f"training took {training.steps} steps, but there are {training.parameters} parameters to train"
    yield from _count_faults(training, plan)
    if len(training.curve) == training.epochs:
        first = abs(training.curve[0].train.get("loss") or 0.0) if training.curve else 0.0
        for row in training.curve:
            yield from _row_faults(row, plan, min(LARGEST_FLOAT32, EXPLOSION * plan.batches * max(1.0, first)))
        if training.epochs:
            yield from _schedule_faults(training, plan)
    if training.status == "partial":
        yield from _cut_faults(record, CUT_SHORT)


@dataclass(frozen=True)
class _Plan:
    """What the loop was told. batches: of an epoch. validation: images. known: whether the record says all of it."""

    settings: TrainingSettings
    batches: int
    validation: int
    known: bool


def _plan(record: Record, task: Task) -> _Plan | None:
    """The settings of the protocol, replaced where the model's `fit` says so; None if it replaced what is no setting.

    A record that does not say what was replaced is an older one, whose `fit` may have replaced the number of epochs.
    """
    settings, sizes = _trained_under(record, task)
    train, validation = record.training.train_images, record.training.validation_images
    own = record.training.own_settings
    if own:
        try:
            replaced = {**settings.model_dump(mode="json"), **own}
            settings = TrainingSettings.model_validate_json(json.dumps(replaced), strict=True)
        except ValidationError:
            return None
    batches = max(1, (sizes.train if train is None else train) // settings.batch_size)
    return _Plan(settings, batches, max(1, sizes.validation if validation is None else validation), own is not None)


def _trained_under(record: Record, task: Task) -> tuple[TrainingSettings, SplitSizes]:
    if record.trained is None:
        protocol = task.protocol(record.preset)
        return protocol.training, task.data.sizes(protocol.subset)
    elsewhere: dict[str, Any] = record.trained.protocol
    data = elsewhere["data"]
    sizes = elsewhere.get("subset") or {part: data[f"{part}_size"] for part in SplitSizes.model_fields}
    return TrainingSettings.model_validate(elsewhere["training"]), SplitSizes.model_validate(sizes)


def _own_fit_faults(record: Record) -> Iterator[str]:
    """What `fit` reported is in its own words, but its epochs follow one another, and every number is finite."""
    training, curve = record.training, record.training.curve
    found: dict[str, tuple[object, object]] = {
        "best_epoch": (training.best_epoch, None),
        "own_settings": (training.own_settings, None),
        "train_images": (training.train_images, None),
        "validation_images": (training.validation_images, None),
        "the length of the curve": (len(curve), training.epochs),
    }
    if training.steps == 0:  # nothing was counted, and so nothing was compiled or rounded
        found |= {
            "compiled": (training.compiled, False),
            "matrix_precision": (training.matrix_precision, "float32"),
        }
    if training.status == "complete":
        found["reason"] = (training.reason, OWN_FIT)
    for name, (value, wanted) in found.items():
        if value != wanted:
            yield f"training.{name} is {quoted(repr(value))}, but is {wanted!r} after a model's own fit"
    if training.steps < 0:
        yield f"training took {training.steps} steps"
    before = 0
    for number, row in enumerate(curve, 1):
        if row.epoch != number or not before < row.step <= training.steps:
            yield (
                f"the curve has epoch {row.epoch} at step {row.step} where epoch {number} ends after step {before} and "
                f"not after step {training.steps}"
            )
        before = row.step
        if row.validation_loss is not None and row.validation_negative_elbo is not None:
            yield f"epoch {number} was validated twice"
        yield from _name_faults(row)
        if any(value is None for value in row.train.values()):
            yield f"epoch {number} has a term that is not finite, at which training stops"
    if training.status == "partial":
        yield from _cut_faults(record, OWN_FIT_CUT_SHORT)


def _count_faults(training: TrainingSection, plan: _Plan) -> Iterator[str]:
    epochs, steps, batches = training.epochs, training.steps, plan.batches
    if len(training.curve) != epochs:
        yield f"training took {epochs} epochs, but its curve has {len(training.curve)}"
    if plan.known and epochs > plan.settings.max_epochs:
        yield f"training took {epochs} epochs, but ends after {plan.settings.max_epochs}"
    if training.status == "complete" and (epochs < 1 or steps != epochs * batches):
        yield f"training took {steps} steps, but {epochs} epochs have {epochs * batches}"
    if training.status == "partial" and not epochs * batches < steps <= (epochs + 1) * batches:
        yield f"training was cut short after {steps} steps, which is not within epoch {epochs + 1} of {batches} each"


def _row_faults(row: EpochRow, plan: _Plan, largest: float) -> Iterator[str]:
    """Training stops at a loss that is not finite, is no float32 or has exploded.

    largest: by that rule, of the terms: the first loss is at most the sum over the batches of the first epoch. One
    posterior sample an image gives exp(-sum of negative ELBOs) an expectation of at most 1 (see `CHANCE`).
    """
    what, validation, lowest = "-ELBO", row.validation_negative_elbo, -CHANCE / plan.validation
    if validation is None and row.validation_loss is not None:
        what, validation, lowest = "loss", row.validation_loss, -3 * LARGEST_FLOAT32
    elif row.validation_loss is not None:
        yield f"epoch {row.epoch} was validated twice"
    if validation is None or not lowest <= validation <= 3 * LARGEST_FLOAT32:
        found = "null" if validation is None else format(validation, "g")
        yield f"epoch {row.epoch} has the validation {what} {found}"
    yield from _name_faults(row)
    for name, value in row.train.items():
        if value is None or abs(value) > largest:
            found = "null" if value is None else format(value, "g")
            yield f"epoch {row.epoch} has the {quoted(name)} {found}, at which training stops"


def _name_faults(row: EpochRow) -> Iterator[str]:
    """Of the terms of an epoch."""
    if "loss" not in row.train:
        yield f"epoch {row.epoch} has no loss"
    if any(not name.isprintable() or not 0 < len(name) <= LONGEST_DESCRIPTION for name in row.train):
        yield f"epoch {row.epoch} has a term without a name that can be printed"


def _schedule_faults(training: TrainingSection, plan: _Plan) -> Iterator[str]:
    """The loop, run again on its own validation values: when each rate was halved, and which epoch ended it."""
    settings, rows = plan.settings, training.curve
    best, halvings, waited = 0, 0, 0
    for index, row in enumerate(rows):
        epoch, step = index + 1, (index + 1) * plan.batches
        if (row.epoch, row.step) != (epoch, step):
            yield f"the curve has epoch {row.epoch} at step {row.step} where epoch {epoch} ends at step {step}"
        rate = settings.learning_rate * settings.learning_rate_decay**step * 0.5**halvings
        if row.learning_rate is None or abs(row.learning_rate - rate) > ROUNDING * rate + float_info.min:
            found = "null" if row.learning_rate is None else format(row.learning_rate, "g")
            yield f"epoch {epoch} ends at learning rate {found}, but the protocol's is then {rate:g}"
        if index == 0 or _value(row) < _value(rows[best]):
            best, waited = index, 0
            continue
        waited += 1
        if waited == settings.patience:
            halvings, waited = halvings + 1, 0
            if settings.halvings and halvings >= settings.halvings and epoch < len(rows):
                yield f"training goes on after epoch {epoch}, where the last halving ends it"
                return
    wanted = _reason(settings, len(rows), halvings)
    if training.status == "complete" and training.reason != wanted:
        yield f"training ended for the reason {quoted(repr(training.reason))}, but its curve says {wanted!r}"
    if plan.known and wanted.startswith("all") and training.status == "complete" and len(rows) != settings.max_epochs:
        yield f"training ended after {len(rows)} epochs, but goes on to {settings.max_epochs}"
    unsaid = training.status == "partial" and training.best_epoch is None
    if training.best_epoch != best + 1 and not unsaid:
        yield f"the best epoch is {training.best_epoch}, but epoch {best + 1} has the lowest validation -ELBO"


def _reason(settings: TrainingSettings, epochs: int, halvings: int) -> str:
    """Why the loop ended, in the words of `mae_bench.job.training`."""
    if settings.halvings and halvings >= settings.halvings:
        return f"no gain for {settings.patience} epochs after {settings.halvings - 1} halvings of the learning rate"
    return f"all {epochs} epochs done"


def _value(row: EpochRow) -> float:
    """What it was validated by: the negative ELBO, or the loss of a model that has none."""
    value = row.validation_loss if row.validation_negative_elbo is None else row.validation_negative_elbo
    return float("inf") if value is None else value


def _cut_faults(record: Record, reasons: re.Pattern[str]) -> Iterator[str]:
    """A partial training ended at a limit of minutes, and its best epoch, if it had any, was scored or is null."""
    training = record.training
    found = reasons.fullmatch(training.reason)
    if found is None:
        yield f"training was cut short for the reason {quoted(repr(training.reason))}, which no run gives"
        return
    last_scored = reasons is CUT_SHORT and found[2]
    if training.best_epoch is not None and (last_scored or training.epochs == 0):
        yield f"the best epoch is {training.best_epoch}, but the weights that were scored are of no epoch"
    try:
        minutes = float(found[1])
    except ValueError:
        minutes = 0.0
    if not 0 < 0.999 * 60 * minutes <= record.clocks.training_seconds + 0.001:
        yield f"training was cut short after {found[1]} minutes, but took {record.clocks.training_seconds:g} s"
