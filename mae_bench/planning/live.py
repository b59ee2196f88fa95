"""Adapter classes that no other process can import, since a notebook or the script itself defines them.

Their `ModelReference.code` is a name that this process alone knows. Their text, which goes into the key, is that of the
class and of all that it uses of the notebook or script: functions, classes, and values that are plain data. Does not
import torch.
"""

import ast
import hashlib
import inspect
import linecache
import symtable
import sys
import textwrap
from collections.abc import Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any

from mae_bench.foundation.canonical import canonical_json
from mae_bench.foundation.errors import UsageError

if TYPE_CHECKING:
    from mae_bench.adapter import Adapter

MODULE = "__main__"
"""What Python calls the module of a notebook, and that of the script it was started with."""

_classes: "dict[str, type[Adapter]]" = {}
"""By `ModelReference.code`."""
_hashes: "dict[type[Adapter], str]" = {}


def register(adapter_class: "type[Adapter]") -> str:
    """The `ModelReference.code` by which this process finds the class again, also once its name stands for another.

    UsageError if its text cannot be read.
    """
    _hashes[adapter_class] = hashlib.sha256(live_text(adapter_class).encode()).hexdigest()
    code = f"{MODULE}:{adapter_class.__qualname__}@{_hashes[adapter_class]}"
    _classes[code] = adapter_class
    return code


def find_live(code: str) -> "type[Adapter] | None":
    """The class that `register` gave this code for; None if it gave it for none."""
    return _classes.get(code)


def live_hash(adapter_class: "type[Adapter]") -> str | None:
    """SHA-256 of the text of a registered class, as it was then; None for any other class."""
    return _hashes.get(adapter_class)


def live_text(adapter_class: "type[Adapter]") -> str:
    """The text of the class and of what it uses of its module, in an order that the text alone decides.

    What is neither a class or function of the module nor plain data (numbers, texts, lists and mappings of them), such
    as a tensor, is left out. UsageError if a text cannot be read, as of a class that was typed into an interpreter.
    """
    texts: set[str] = set()
    seen: set[int] = set()
    waiting: list[Any] = [adapter_class]
    while waiting:
        definition = waiting.pop()
        if id(definition) in seen or definition.__module__ != MODULE:
            continue
        seen.add(id(definition))
        text = _text_of(definition)
        texts.add(text)
        waiting += getattr(definition, "__bases__", ())
        for name, value in _globals_of(text, vars(sys.modules[MODULE])):
            if isinstance(value, type | FunctionType):
                waiting.append(value)
            elif (written := _as_data(value)) is not None:
                texts.add(f"{name} = {written}\n")
    return "".join(sorted(texts))


def _text_of(definition: Any) -> str:
    """The text of a class or function. A class in a notebook is found by the place of one of its methods, since Python
    before 3.13 does not keep its own."""
    try:
        if isinstance(definition, type) and (text := _text_round_a_method(definition)):
            return text
        return textwrap.dedent(inspect.getsource(definition))
    except (OSError, TypeError, SyntaxError) as error:
        raise UsageError(
            f"the text of {definition.__qualname__}, which is part of a job's key, cannot be read ({error}); define it "
            "in a script or notebook with a method of its own, or put it into a .py file and give its path."
        ) from error


def _text_round_a_method(definition: type) -> str | None:
    for method in vars(definition).values():
        code = getattr(inspect.unwrap(getattr(method, "__func__", method)), "__code__", None)
        lines = linecache.getlines(code.co_filename) if code else []
        if code is None or not lines:
            continue
        text = "".join(lines)
        found = [
            node
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.ClassDef)
            and node.name == definition.__name__
            and node.lineno <= code.co_firstlineno <= (node.end_lineno or 0)
        ]
        if found:
            start = min([found[0].lineno, *(decorator.lineno for decorator in found[0].decorator_list)])
            return textwrap.dedent("".join(lines[start - 1 : found[0].end_lineno]))
    return None


def _globals_of(text: str, scope: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name and value of each variable of the module that the text reads, sorted by name."""
    tables, names = [symtable.symtable(text, "model", "exec")], set()
    while tables:
        table = tables.pop()
        tables += table.get_children()
        outermost = table.get_type() == "module"
        names |= {
            one.get_name() for one in table.get_symbols() if one.is_referenced() and (outermost or one.is_global())
        }
    return ((name, scope[name]) for name in sorted(names & scope.keys()))


def _as_data(value: object) -> str | None:
    """A value that is plain data as text; None for any other."""
    if isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    try:
        return canonical_json(value)
    except (TypeError, ValueError):
        return None
