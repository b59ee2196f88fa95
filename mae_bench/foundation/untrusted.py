"""JSON from untrusted files: accepted as a whole, or refused in one sentence. Does not import torch.

The limits are far above any genuine record, and far below what would slow a reader down or make it fail.
"""

import json
from math import isinf
from pathlib import Path
from stat import S_ISLNK, S_ISREG
from typing import Any

from mae_bench.foundation.errors import RecordError
from mae_bench.foundation.text import quoted

LARGEST_FILE = 8 * 2**20
"""In bytes. A record of a thousand epochs has less than a tenth of this."""
LONGEST_TEXT = 4_000
"""Characters in one string or key."""
LONGEST_NUMBER = 40
"""Digits as written; floats that mae-bench writes have at most 25."""
LARGEST_INTEGER = 2**63 - 1
DEEPEST = 20
"""Levels of lists and objects within each other."""


def load_untrusted(path: Path, what: str = "record", remedy: str = "delete it and run its job again") -> Any:
    """The JSON in `path`, more strictly than `json.load`: no key twice, no NaN or infinity, nothing beyond the limits.

    Symbolic links, other files that are not regular, and files that are too large are refused unread. RecordError
    calls the file a `what`, and states the fault and the remedy.
    """
    return parse_untrusted(read_untrusted(path, what), path.name, what, remedy)


def parse_untrusted(content: bytes, name: str, what: str, remedy: str) -> Any:
    """Like `load_untrusted`, of the `content` of a file that messages call `name`."""
    try:
        value = _parse(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        fault = f"it is nested more than {DEEPEST} deep" if isinstance(error, RecursionError) else error
        raise RecordError(f"{what} {name} is not valid JSON ({fault}); {remedy}.") from error
    if absurd := absurdity(value):
        raise RecordError(f"{what} {name} exceeds the limits of a {what} ({absurd}); {remedy}.")
    return value


def absurdity(value: Any) -> str | None:
    """What exceeds the limits in the JSON `value`, as a clause; None if nothing does."""
    level = [value]
    for _ in range(DEEPEST + 1):
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                below += node
                below += node.values()
            elif isinstance(node, list):
                below += node
            elif isinstance(node, str):
                if len(node) > LONGEST_TEXT:
                    return f"a text in it has {len(node)} characters, and at most {LONGEST_TEXT} are allowed"
            elif isinstance(node, int) and abs(node) > LARGEST_INTEGER:
                return f"the number {quoted(node)} does not fit 64 bits"
        if not below:
            return None
        level = below
    return f"it is nested more than {DEEPEST} deep"


def read_untrusted(path: Path, what: str) -> bytes:
    """The bytes of `path`; RecordError if it is a symbolic link, no regular file, unreadable or too large."""
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
        raise RecordError(f"{what} {path.name} exceeds the limit of {LARGEST_FILE >> 20} MiB; remove it.")
    return content


def _parse(text: str) -> Any:
    """The JSON in `text`. ValueError, with the fault as a clause, if it is not JSON or must not be parsed."""
    return json.loads(text, object_pairs_hook=_once, parse_constant=_constant, parse_float=_finite, parse_int=_integer)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"the key {quoted(repr(key))} appears twice")
        seen[key] = value
    return seen


def _constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _finite(digits: str) -> float:
    if isinf(value := float(_short(digits))):
        raise ValueError(f"{digits} is too large for a float")
    return value


def _integer(digits: str) -> int:
    return int(_short(digits))


def _short(digits: str) -> str:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"a number in it has {len(digits)} digits, and at most {LONGEST_NUMBER} are allowed")
    return digits
