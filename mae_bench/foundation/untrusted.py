"""JSON that anybody may have written: read whole, or refused in one sentence. Does not import torch.

The limits lie far above every record of ours, and far below what would make a reader slow or stumble.
"""

import json
from collections.abc import Sequence
from math import isinf
from pathlib import Path
from stat import S_ISLNK, S_ISREG
from typing import Any

from mae_bench.foundation.errors import RecordError
from mae_bench.foundation.text import quoted

LARGEST_FILE = 8 * 2**20
"""Bytes. A record of a thousand epochs has less than a tenth of it."""
LONGEST_TEXT = 4_000
"""Characters of one string or key."""
LONGEST_NUMBER = 40
"""Digits as written; every float of ours has at most 25."""
LARGEST_INTEGER = 2**63 - 1
DEEPEST = 20
"""Lists and objects within each other."""


def load_untrusted(path: Path, what: str = "record", remedy: str = "delete it and run its job again") -> Any:
    """The JSON in `path`, stricter than `json.load`: no key twice, no NaN or infinity, nothing beyond the limits above.

    A symbolic link, anything else that is no regular file and a file that is too large are refused unread. RecordError
    names the file as a `what`, the fault and the remedy.
    """
    try:
        value = _parse(_read(path, what).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        fault = f"it is nested more than {DEEPEST} deep" if isinstance(error, RecursionError) else error
        raise RecordError(f"{what} {path.name} is not valid JSON ({fault}); {remedy}.") from error
    if absurd := absurdity(value):
        raise RecordError(f"{what} {path.name} holds what no {what} does ({absurd}); {remedy}.")
    return value


def absurdity(value: Any) -> str | None:
    """What is beyond the limits in the JSON `value`, as a clause; None where all is within them."""
    remaining = [(value, 0)]
    while remaining:
        node, depth = remaining.pop()
        if depth > DEEPEST:
            return f"it is nested more than {DEEPEST} deep"
        if isinstance(node, str) and len(node) > LONGEST_TEXT:
            return f"a text in it has {len(node)} characters, of at most {LONGEST_TEXT}"
        if isinstance(node, int) and abs(node) > LARGEST_INTEGER:
            return f"the number {quoted(node)} does not fit 64 bits"
        children: Sequence[Any] = ()
        if isinstance(node, dict):
            children = (*node.keys(), *node.values())
        elif isinstance(node, list):
            children = node
        remaining += [(child, depth + 1) for child in children]
    return None


def _read(path: Path, what: str) -> bytes:
    remedy = "give a readable file"
    try:
        mode = path.lstat().st_mode
        if S_ISLNK(mode):
            raise RecordError(f"{what} {path.name} is a symbolic link; put the file itself in its place.")
        if not S_ISREG(mode):
            raise RecordError(f"{what} {path.name} cannot be read (it is not a regular file); {remedy}.")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise RecordError(f"{what} {path.name} cannot be read ({error.strerror}); {remedy}.") from error
    if len(content) > LARGEST_FILE:
        raise RecordError(f"{what} {path.name} has more than {LARGEST_FILE >> 20} MiB, which no {what} has; remove it.")
    return content


def _parse(text: str) -> Any:
    """ValueError, with a clause that names the fault, for what is not JSON or not fit to be parsed."""
    return json.loads(text, object_pairs_hook=_once, parse_constant=_constant, parse_float=_finite, parse_int=_integer)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"the key {quoted(repr(key))} stands twice")
        seen[key] = value
    return seen


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _finite(digits: str) -> float:
    if isinf(value := float(_short(digits))):
        raise ValueError(f"{digits} is beyond all floats")
    return value


def _integer(digits: str) -> int:
    return int(_short(digits))


def _short(digits: str) -> str:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"a number in it has {len(digits)} digits, of at most {LONGEST_NUMBER}")
    return digits
