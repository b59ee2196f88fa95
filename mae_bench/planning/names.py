"""How models and tasks are written on the command line: `mae`, `mae[eta=2.0]`, `mae[eta=[0.5,1.0]]`, `path/to/file.py`;
in double quotes, `"my,models/a[1].py"[beta=2]`, a path that has a comma, a bracket or a quote. A list is a grid, of
numbers or of words (`mae[diversity=[paper,mean]]`); a list within a list, `[z_dims=[[16,8]]]`, is one value that is a
list. Does not import torch.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import product
from typing import Any

from mae_bench.foundation.canonical import canonical_json
from mae_bench.foundation.errors import UsageError

MODEL_NAME = r"[A-Za-z_][A-Za-z0-9_.-]{0,63}"
"""What a model may be called: the name is part of its records and of a path in the store."""
_OPENING, _CLOSING = "[{", "]}"
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|["\[\]{},]', re.DOTALL)
"""A whole string in double quotes, or one character that matters outside strings."""
_QUOTED = re.compile(r'"(?P<text>(?:\\.|[^"\\])*)"', re.DOTALL)
IN_QUOTES = "in double quotes if it has a comma or a bracket"
"""How to write a path that would otherwise be parted, for messages."""
_EXAMPLES = f"""write for example mae[eta=2.0] or, a path {IN_QUOTES}, "my,models/a.py"[beta=2]"""


@dataclass(frozen=True)
class WrittenModel:
    """One point of a grid: `base` is the text before the brackets, `params` the values inside them."""

    base: str
    params: dict[str, Any]


def split_names(text: str) -> list[str]:
    """The items of a comma-separated list as they are written; commas inside brackets or double quotes do not separate.

    UsageError if a bracket or a quote is left open, or an item is empty.
    """
    items, start, depth = [], 0, 0
    for token in _TOKEN.finditer(text):
        if token[0] == "," and depth == 0:
            items.append(text[start : token.start()].strip())
            start = token.end()
        depth += (token[0] in _OPENING) - (token[0] in _CLOSING)
        if depth < 0 or token[0] == '"':
            raise _unpaired(text)
    if depth:
        raise _unpaired(text)
    items.append(text[start:].strip())
    if not all(items):
        raise UsageError(f"{text!r} has an empty item between its commas; write for example mae,vlae.")
    return items


def _unpaired(text: str) -> UsageError:
    return UsageError(f"{text!r} has an unmatched bracket or quote; {_EXAMPLES}.")


def parse_tasks(text: str) -> list[str]:
    """The names and paths of a comma-separated list of tasks, without the quotes round them."""
    return ["".join(_unquoted_start(item)) for item in split_names(text)]


def parse_models(text: str) -> list[WrittenModel]:
    """Every model of a comma-separated list, with grids expanded in the order in which they are written."""
    return [model for item in split_names(text) for model in _parse_model(item)]


def _parse_model(item: str) -> list[WrittenModel]:
    quoted, rest = _unquoted_start(item)
    name, bracket, inside = rest.partition("[")
    base = quoted + name
    if base and not bracket:
        return [WrittenModel(base, {})]
    if not base or not inside.endswith("]"):
        raise UsageError(f"{item!r} is not a model, which is a name and then its parameters; {_EXAMPLES}.")
    grid: dict[str, list[Any]] = {}
    for assignment in split_names(inside[:-1]) if inside[:-1].strip() else []:
        name, equals, value = (part.strip() for part in assignment.partition("="))
        if not (name.isidentifier() and equals and value):
            raise UsageError(f"{assignment!r} in {item!r} is not name=value; {_EXAMPLES}.")
        if name in grid:
            raise UsageError(f"{item!r} gives {name} twice; give a list, {name}=[...], to run several values.")
        parsed = _parse_value(value)
        grid[name] = parsed if isinstance(parsed, list) else [parsed]
        if not grid[name]:
            raise UsageError(
                f"{item!r} gives {name} an empty list; a list holds the values to run, so give at least one."
            )
        _refuse_non_finite(item, name, grid[name])
    return [WrittenModel(base, dict(zip(grid, point, strict=True))) for point in product(*grid.values())]


def _unquoted_start(item: str) -> tuple[str, str]:
    """What the quotes at the beginning of `item` hold, and what follows them; "" and `item` if it begins otherwise.

    Within them, a backslash stands before a quote or a backslash that is meant, and for itself before anything else.
    """
    quoted = _QUOTED.match(item)
    return (re.sub(r'\\(["\\])', r"\1", quoted["text"]), item[quoted.end() :]) if quoted else ("", item)


def in_quotes(path: str) -> str:
    """A path as it is written in a list, whatever its characters."""
    return '"' + path.replace("\\", r"\\").replace('"', r"\"") + '"'


def _parse_value(text: str) -> Any:
    """The value of `text` as JSON; of what is not JSON, a list in brackets is read item by item, the rest is a string.

    A string that begins and ends with brackets itself is meant only in double quotes.
    """
    try:
        return json.loads(text)
    except ValueError:
        listed = text.startswith("[") and text.endswith("]")
    return [_parse_value(item) for item in split_names(text[1:-1])] if listed else text


def _refuse_non_finite(item: str, name: str, values: list[Any]) -> None:
    try:
        canonical_json(values)
    except ValueError as error:
        raise UsageError(f"{item!r} gives {name} a number that is not finite; give a finite one.") from error


def model_label(name: str, params: dict[str, Any]) -> str:
    """A model's name with its parameters in brackets, or alone if there are none.

    `parse_models` reads the same values back: a list is written within a list, since a bare list is a grid, and a
    string is quoted if it would otherwise be read as something else.
    """
    inside = ",".join(f"{key}={_write_value(value)}" for key, value in sorted(params.items()))
    return f"{name}[{inside}]" if inside else name


def run_title(task: str, preset: str, label: str, seed: int, trained_on: str | None = None) -> str:
    """One line that names a run for people. trained_on: where the model was trained, if elsewhere."""
    origin = f", trained on {trained_on}" if trained_on else ""
    return f"{task} {preset} {label} seed {seed}{origin}"


def _write_value(value: Any) -> str:
    if isinstance(value, list):
        return canonical_json([value])
    bare = isinstance(value, str) and re.fullmatch(r"[\w.+/-]+", value) and _parse_value(value) == value
    return str(value) if bare else canonical_json(value)


def did_you_mean(wrong: str, known: Iterable[str], what: str) -> str:
    """The end of a sentence about a wrong name: the nearest of `known`, if any is near, and all of them.

    >>> did_you_mean("mea", ["mae", "vlae"], "models")
    '; did you mean mae or vlae? Known models: mae, vlae.'
    """
    names = sorted(known)
    by_folded = {name.casefold(): name for name in names}
    nearest = [by_folded[match] for match in get_close_matches(wrong.casefold(), by_folded, n=3, cutoff=0.5)]
    question = f"; did you mean {' or '.join(nearest)}?" if nearest else "."
    return f"{question} Known {what}: {', '.join(names) or 'none'}."
