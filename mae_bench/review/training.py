"""What the default loop can have left in a record: its curve, counts and reason follow from the protocol and losses."""

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
"""The reason of a training without the default loop (`mae_bench.job.execute`)."""
EXPLOSION = 100.0
"""The loop stops at a loss or a term this many times the first loss (`mae_bench.job.training`)."""
CUT_SHORT = re.compile(r"cut short after ([0-9][0-9.e+-]{0,20}) minutes of training(; its last weights are scored)?")
"""The reason of a partial training (`mae_bench.job.training`). The end is there if no epoch's weights are scored."""


def training_faults(record: Record, task: Task) -> Iterator[str]:
    """Faults in the section `training` of `record`."""
    training = record.training
    if training.steps == 0 or training.reason == OWN_FIT:
        yield from _own_fit_faults(training)
        return
    plan = _plan(record, task)
    if plan is None:
        yield "training.own_settings are not settings of the default loop"
        return
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
        yield from _cut_faults(record)


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
    own = record.training.own_settings
    if own:
        try:
            replaced = {**settings.model_dump(mode="json"), **own}
            settings = TrainingSettings.model_validate_json(json.dumps(replaced), strict=True)
        except ValidationError:
            return None
    return _Plan(settings, max(1, sizes.train // settings.batch_size), sizes.validation, own is not None)


def _trained_under(record: Record, task: Task) -> tuple[TrainingSettings, SplitSizes]:
    if record.trained is None:
        protocol = task.protocol(record.preset)
        return protocol.training, task.data.sizes(protocol.subset)
    elsewhere: dict[str, Any] = record.trained.protocol
    data = elsewhere["data"]
    sizes = elsewhere.get("subset") or {part: data[f"{part}_size"] for part in SplitSizes.model_fields}
    return TrainingSettings.model_validate(elsewhere["training"]), SplitSizes.model_validate(sizes)


def _own_fit_faults(training: TrainingSection) -> Iterator[str]:
    """Without the loop nothing was counted."""
    found = {
        "status": (training.status, "complete"),
        "reason": (training.reason, OWN_FIT),
        "epochs": (training.epochs, 0),
        "steps": (training.steps, 0),
        "best_epoch": (training.best_epoch, None),
        "compiled": (training.compiled, False),
        "matrix_precision": (training.matrix_precision, "float32"),
        "own_settings": (training.own_settings, None),
        "the length of the curve": (len(training.curve), 0),
    }
    for name, (value, wanted) in found.items():
        if value != wanted:
            yield f"training.{name} is {quoted(repr(value))}, but is {wanted!r} after a model's own fit"


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
    validation = row.validation_negative_elbo
    if validation is None or not -CHANCE / plan.validation <= validation <= 3 * LARGEST_FLOAT32:
        yield f"epoch {row.epoch} has the validation -ELBO {'null' if validation is None else format(validation, 'g')}"
    if "loss" not in row.train:
        yield f"epoch {row.epoch} has no loss"
    for name, value in row.train.items():
        if not name.isprintable() or not 0 < len(name) <= LONGEST_DESCRIPTION:
            yield f"epoch {row.epoch} has a term without a name that can be printed"
        if value is None or abs(value) > largest:
            found = "null" if value is None else format(value, "g")
            yield f"epoch {row.epoch} has the {quoted(name)} {found}, at which training stops"


def _schedule_faults(training: TrainingSection, plan: _Plan) -> Iterator[str]:
    """The loop, run again on its own validation values: when each rate was halved, and which epoch ended it."""
    settings, rows = plan.settings, training.curve
    best, halvings, waited = 0, 0, 0
    for index, row in enumerate(rows):
        epoch, step = index + 1, (index + 1) * plan.batches
        if (row.epoch, row.step) != (epoch, step):
            yield f"the curve has epoch {row.epoch} at step {row.step} where epoch {epoch} ends at step {step}"
        rate = settings.learning_rate * settings.learning_rate_decay**step * 0.5**halvings
        if abs(row.learning_rate - rate) > ROUNDING * rate + float_info.min:
            yield f"epoch {epoch} ends at learning rate {row.learning_rate:g}, but the protocol's is then {rate:g}"
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
    return float("inf") if row.validation_negative_elbo is None else row.validation_negative_elbo


def _cut_faults(record: Record) -> Iterator[str]:
    """A partial training ended at a limit of minutes, and its best epoch, if it had any, was scored or is null."""
    training = record.training
    found = CUT_SHORT.fullmatch(training.reason)
    if found is None:
        yield f"training was cut short for the reason {quoted(repr(training.reason))}, which no run gives"
        return
    if (training.best_epoch is not None and found[2]) or (training.epochs == 0 and training.best_epoch is not None):
        yield f"the best epoch is {training.best_epoch}, but the weights that were scored are of no epoch"
    try:
        minutes = float(found[1])
    except ValueError:
        minutes = 0.0
    if not 0 < 0.999 * 60 * minutes <= record.clocks.training_seconds + 0.001:
        yield f"training was cut short after {found[1]} minutes, but took {record.clocks.training_seconds:g} s"
