"""A model's parameters, read from its constructor's signature and checked against it. Does not import torch."""

import inspect
import json
from collections.abc import Callable
from typing import Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from mae_bench.foundation.canonical import canonical_json
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.names import did_you_mean


def resolve_parameters(model: str, constructor: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """Every parameter of the constructor (after data and preset) with the given value or its default, as JSON values.

    A value must have the parameter's annotated type or, without an annotation, the type of its default. An integer
    given for a float becomes a float, so that 2 and 2.0 are the same job. A constructor with `**params` takes any name.
    UsageError names the parameter and, if it is unknown, the nearest known one.
    """
    parameters, takes_any = _parameters(constructor)
    for name in given:
        if name not in parameters and not takes_any:
            raise UsageError(f"{model} has no parameter {name!r}{did_you_mean(name, parameters, 'parameters')}")
    resolved = dict(given)
    for name, (expected, default) in parameters.items():
        if name in given:
            resolved[name] = _checked(model, name, expected, given[name])
        elif default is inspect.Parameter.empty:
            raise UsageError(f"{model} needs a value for its parameter {name}; write {model}[{name}=...].")
        else:
            resolved[name] = _default(model, name, expected, default)
    return resolved


def default_parameters(model: str, constructor: Callable[..., Any]) -> dict[str, Any]:
    """The defaults alone, as JSON values; "..." for a parameter that must be given."""
    return {
        name: "..." if default is inspect.Parameter.empty else _default(model, name, expected, default)
        for name, (expected, default) in _parameters(constructor)[0].items()
    }


def _parameters(constructor: Callable[..., Any]) -> tuple[dict[str, tuple[TypeAdapter[Any], Any]], bool]:
    """Type and default of each parameter after data and preset, and whether there is `**` for any others."""
    signature = list(inspect.signature(constructor).parameters.values())
    positional = [p for p in signature if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = positional[2:] + [p for p in signature if p.kind == p.KEYWORD_ONLY]
    hints = _hints(constructor)
    parameters = {p.name: (_expected_type(hints.get(p.name, Any), p.default), p.default) for p in named}
    return parameters, any(p.kind == p.VAR_KEYWORD for p in signature)


def _hints(constructor: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(constructor.__init__ if inspect.isclass(constructor) else constructor)
    except (NameError, TypeError):  # an annotation imported for type checkers only: the defaults' types must do
        return {}


def _expected_type(hint: Any, default: Any) -> TypeAdapter[Any]:
    if hint is Any and default is not inspect.Parameter.empty and default is not None:
        hint = type(default)
    try:
        return TypeAdapter(hint, config=ConfigDict(strict=True))
    except PydanticUserError:  # a type that pydantic does not know, or one with its own configuration
        return TypeAdapter(Any)


def _checked(model: str, name: str, expected: TypeAdapter[Any], value: Any) -> Any:
    try:
        return _as_json(expected, value)
    except ValidationError as error:
        fault = error.errors()[0]["msg"].replace("Input should be", "it should be")
    except (TypeError, ValueError):
        raise UsageError(
            f"{model} cannot take {name}={value!r}: it is not a finite JSON value; give a number, a string, true, "
            "false, null, a list or an object."
        ) from None
    raise UsageError(f"{model} cannot take {name}={canonical_json(value)}: {fault}; correct the value.")


def _default(model: str, name: str, expected: TypeAdapter[Any], value: Any) -> Any:
    """The default as JSON, converted like a given value; unchanged if its own annotation does not allow it."""
    try:
        return _as_json(expected, value)
    except ValidationError:
        return value
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{model}'s default of {name} is not a finite JSON value ({error}); give it a number, a string, true, "
            "false, null, a list or an object, so that it can be part of a job's key."
        ) from error


def _as_json(expected: TypeAdapter[Any], value: Any) -> Any:
    checked = expected.dump_python(expected.validate_json(canonical_json(value)), mode="json")
    return json.loads(canonical_json(checked))
