"""The settings of the default loop that a model's `fit` replaces by its own, and how a record states them."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from mae_bench.foundation.errors import UsageError
from mae_bench.foundation.settings import first_fault
from mae_bench.planning.task import TrainingSettings


def replace_settings(of_task: TrainingSettings, own: Mapping[str, Any]) -> TrainingSettings:
    """The settings of the task with those in `own` in their place. UsageError for an unknown name or a bad value."""
    if unknown := set(own) - set(TrainingSettings.model_fields):
        known = ", ".join(TrainingSettings.model_fields)
        raise UsageError(f"training has no setting {sorted(unknown)[0]!r}; the settings are {known}.")
    try:
        return TrainingSettings.model_validate({**of_task.model_dump(), **own})
    except ValidationError as error:
        fault = first_fault(error, "settings")
        raise UsageError(f"fit replaces a setting of the training badly: {fault}; correct the model.") from error


def replaced_settings(of_task: TrainingSettings, used: TrainingSettings) -> dict[str, Any]:
    """The settings in `used` that are not the task's, by name, as JSON."""
    before = of_task.model_dump(mode="json")
    return {name: value for name, value in used.model_dump(mode="json").items() if value != before[name]}
