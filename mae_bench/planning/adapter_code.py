"""Loads an adapter's class from where it is written: a file, or a module on Python's path."""

import hashlib
import importlib.util
import inspect
import re
import sys
import traceback
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeGuard

from mae_bench.foundation.errors import UsageError, describe

if TYPE_CHECKING:
    from mae_bench.adapter import Adapter

FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<name>\w+))?")
"""`path/to/file.py` or, if the file holds several adapters, `path/to/file.py:Class`."""


def load_class(code: str) -> "type[Adapter]":
    """The adapter class of `path/to/file.py`, `path/to/file.py:Class` or `package.module:Class`.

    UsageError if it cannot be imported, naming the line of a faulty file, or if there is not exactly one class.
    """
    if match := FILE.fullmatch(code):
        path = Path(match["path"])
        return _choose_class(_load_file(path), path.name, match["name"])
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # as `python -m mae_bench` does; last, so that it hides nothing installed
    loaded = load_object(code, "model")
    if not _is_adapter(loaded):
        raise UsageError(f"model {code!r} is not a subclass of mae_bench.Adapter; name a class that is one.")
    return loaded


def load_object(name: str, what: str) -> Any:
    """The object that `package.module:object` names; UsageError if it cannot be imported."""
    try:
        return EntryPoint(name="", value=name, group="").load()
    except Exception as error:
        raise UsageError(
            f"{what} {name!r} cannot be imported ({describe(error)}); "
            "correct the name (package.module:object) or install the package."
        ) from error


def code_hash(adapter_class: "type[Adapter]") -> str:
    """SHA-256 of the text of the file that defines the class; UsageError if there is no such file."""
    try:
        return _sha256(Path(inspect.getsourcefile(adapter_class) or "").read_text(encoding="utf-8"))
    except (OSError, TypeError) as error:
        raise UsageError(
            f"model {adapter_class.__name__} has no file whose text could be hashed; put it into a .py file."
        ) from error


def code_hash_of_file(path: Path) -> str:
    """The `code_hash` of the classes in the file at `path`, which is not imported; UsageError if it cannot be read."""
    return _sha256(_text_of(path))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"model file {path.name} cannot be read ({describe(error)}); correct its path.") from error


def _load_file(path: Path) -> ModuleType:
    """The module in a file, compiled from its current text and never loaded from stale bytecode."""
    text = _text_of(path)
    name = f"_mae_bench_file_{_sha256(str(path) + text)[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # the suffix is .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look a class's module up there
    try:
        exec(compile(text, str(path), "exec"), vars(module))
    except Exception as error:
        del sys.modules[name]
        line = _faulty_line(error, path)
        raise UsageError(f"model file {path.name} fails at line {line}: {describe(error)}; fix the file.") from error
    return module


def _faulty_line(error: Exception, path: Path) -> int | None:
    """The last line of that file in the traceback of the error."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return lines[-1] if lines else None


def _choose_class(module: ModuleType, file: str, name: str | None) -> "type[Adapter]":
    """The adapter `name`, or the only adapter, among those that the module itself defines."""
    classes = {
        value.__name__: value
        for value in vars(module).values()
        if _is_adapter(value) and value.__module__ == module.__name__
    }
    if name in classes:
        return classes[name]
    if name or not classes:
        raise UsageError(
            f"model file {file} defines no adapter{f' {name}' if name else ''} "
            f"(it defines {', '.join(classes) or 'none'}); correct the name, or derive a class from mae_bench.Adapter."
        )
    if len(classes) > 1:
        raise UsageError(
            f"model file {file} defines several adapters; choose one of {file}:{f', {file}:'.join(classes)}."
        )
    return next(iter(classes.values()))


def _is_adapter(value: object) -> "TypeGuard[type[Adapter]]":
    from mae_bench.adapter import Adapter

    return inspect.isclass(value) and issubclass(value, Adapter) and value is not Adapter


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
