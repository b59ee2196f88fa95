"""Settings that people write in TOML: read and validated, with one sentence about the first fault."""

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
    """The `content` of the file at `path`, validated as `settings`. UsageError names the file and its first fault."""
    try:
        return settings.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{what} file {path.name}: {first_fault(error, f'the {what}')}; correct the file.") from error


def first_fault(error: ValidationError, whole: str) -> str:
    """The first fault that was found, as "place: what is wrong"; whole: what to call the place if it is everything."""
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc']) or whole}: {first['msg']}"
