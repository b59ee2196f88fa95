"""Settings that people write in TOML: read and validated, with one sentence about every fault."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mae_bench.foundation.errors import UsageError
from mae_bench.foundation.source import read_source

Count = Annotated[int, Field(gt=0)]


class Settings(BaseModel):
    """The base class of everything read from a TOML file: unknown keys are errors, numbers are finite, and instances
    are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


AnySettings = TypeVar("AnySettings", bound=Settings)


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The content of a TOML file. UsageError if it cannot be read; what: "task" or "suite", for the message."""
    try:
        return tomllib.loads(read_source(path))
    except (OSError, ValueError) as error:
        raise UsageError(f"{what} file {path.name} cannot be read ({error}); give a TOML file.") from error


def validated(settings: type[AnySettings], content: dict[str, Any], path: Path, what: str) -> AnySettings:
    """The `content` of the file at `path`, validated as `settings`. UsageError names the file and all its faults."""
    try:
        return settings.model_validate(content)
    except ValidationError as error:
        found = faults(error, f"the {what}")
        count = "a fault" if len(found) == 1 else f"{len(found)} faults"
        raise UsageError(f"{what} file {path.name} has {count} ({'; '.join(found)}); correct the file.") from error


def faults(error: ValidationError, whole: str) -> list[str]:
    """A clause for every fault that was found: "data.levels, input should be greater than 0".

    whole: what to call the place of a fault if it is everything.
    """
    found = []
    for fault in error.errors():
        message = fault["msg"].removeprefix("Value error, ")
        found.append(f"{_place(fault['loc']) or whole}, {message[:1].lower()}{message[1:]}")
    return found


def first_fault(error: ValidationError, whole: str) -> str:
    """The first fault that was found, as "place: what is wrong"; whole: what to call the place if it is everything."""
    first = error.errors()[0]
    return f"{_place(first['loc']) or whole}: {first['msg']}"


def _place(keys: tuple[int | str, ...]) -> str:
    return ".".join(str(key) for key in keys)
