"""Loads an adapter's class from where it is written: a file, a module on Python's path, or a notebook (`live`)."""

import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeGuard

from mae_bench.foundation.errors import UsageError, describe, line_in, raising_file
from mae_bench.foundation.paths import visible
from mae_bench.foundation.process import kept_apart
from mae_bench.foundation.source import absolute, hash_of_text, read_source
from mae_bench.planning.live import MODULE, find_live, live_hash, register
from mae_bench.planning.own_files import Place, find_module, hash_of_files, place_of_file, place_of_module
from mae_bench.planning.surroundings import Surroundings, surroundings_of_file

if TYPE_CHECKING:
    from mae_bench.adapter import Adapter

FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<name>\w+))?")
"""`path/to/file.py` or, if the file holds several adapters, `path/to/file.py:Class`."""
_FILE_MODULE = "_mae_bench_file_"
"""What the names of the modules of files begin with."""

_surroundings: "dict[str | type[Adapter], Surroundings]" = {}
"""By the name of the file's or package's module in Python's table, and by class."""


def load_class(code: str, expected_hash: str | None = None) -> "type[Adapter]":
    """The adapter class of `path/to/file.py`, `path/to/file.py:Class`, `package.module:Class` or what `code_of` gave.

    expected_hash: the `code_hash` of a class that may be loaded already; if so it is given, even if its file has been
    edited since. UsageError if the code cannot be imported, naming the line of a faulty file, or if there is not
    exactly one class.
    """
    import torch  # noqa: F401 (what it holds can be kept from the code only once it is loaded)

    if live := find_live(code):
        return live
    if match := FILE.fullmatch(code):
        path = absolute(match["path"])
        module = _load_file(path, expected_hash)
        loaded = _choose_class(module, path.name, match["name"])
        _surroundings[loaded] = _surroundings[module.__name__]
        return loaded
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # as `python -m mae_bench` does; last, so that it hides nothing installed
    surroundings = _surroundings.setdefault(code.partition(":")[0], Surroundings())
    with surroundings.entered(importing=True):
        loaded = load_object(code, "model")
    if not _is_adapter(loaded):
        raise UsageError(f"model {code!r} is not a subclass of mae_bench.Adapter; name a class that is one.")
    _surroundings[loaded] = surroundings
    return loaded


def code_of(adapter_class: object) -> str:
    """The `ModelReference.code` of a class at hand. UsageError if it is no adapter, or if nothing can find it again."""
    if not _is_adapter(adapter_class):
        raise UsageError(f"model {adapter_class!r} is not a subclass of mae_bench.Adapter; give a class that is one.")
    name, module = adapter_class.__qualname__, adapter_class.__module__
    if "<locals>" in name:
        raise UsageError(f"model {adapter_class.__name__} is defined within a function; define it outside of any.")
    if module == MODULE:
        return register(adapter_class)
    of_file = module.startswith(_FILE_MODULE)
    code = f"{sys.modules[module].__file__}:{name}" if of_file else f"{module}:{name}"
    if load_class(code, code_hash(adapter_class)) is not adapter_class:
        raise UsageError(f"model {name} is not the class that {module} has now; import it from there again.")
    return code


def load_object(name: str, what: str) -> Any:
    """The object that `package.module:object` names; UsageError if it cannot be imported."""
    try:
        with kept_apart():
            return EntryPoint(name="", value=name, group="").load()
    except Exception as error:
        raise UsageError(
            f"{what} {name!r} cannot be imported ({describe(error, raising_file(error))}); "
            "correct the name (package.module:object) or install the package."
        ) from error


def surroundings_of(adapter_class: "type[Adapter]") -> Surroundings:
    """What the code of the class finds around it; nothing of its own if `load_class` did not load it."""
    return _surroundings.setdefault(adapter_class, Surroundings())


def code_hash(adapter_class: "type[Adapter]") -> str:
    """SHA-256 of the text of the file that defines the class, and of those of its own that it imports
    (`mae_bench.planning.own_files`); UsageError if there is no such file.

    Of a class of a notebook or script: of the text that `mae_bench.planning.live` gives.
    """
    if live := live_hash(adapter_class):
        return live
    module = adapter_class.__module__
    try:
        path = Path(inspect.getsourcefile(adapter_class) or "")
        place = place_of_file(path) if module.startswith(_FILE_MODULE) else place_of_module(module, path)
        return hash_of_files(path, place)
    except (OSError, TypeError, ValueError) as error:
        raise UsageError(
            f"model {adapter_class.__name__} has no file whose text could be hashed; put it into a .py file."
        ) from error


def code_hash_of_file(path: Path) -> str:
    """The `code_hash` of the classes in the file at `path`, which is not imported; UsageError if it cannot be read."""
    return _hash_of(path, partial(place_of_file, path))


def _hash_of(path: Path, place: Callable[[], Place]) -> str:
    try:
        return hash_of_files(path, place())
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def find_code(places: Sequence[Path | str], wanted: str) -> str | None:
    """Which of `places` has the code of the hash `wanted`, as `load_class` takes it, without a class if a file is
    given without one; None if none has. Nothing is imported.

    places: files, folders that are searched for one, `path/to/file.py:Class` or `package.module:Class`. UsageError if
    one that is no folder cannot be read.
    """
    for place in places:
        file = FILE.fullmatch(str(place))
        if file is None and not Path(place).exists():
            module, path = find_module(str(place))
            if _hash_of(path, partial(place_of_module, module, path)) == wanted:
                return str(place)
        elif file is None:
            for found in visible(Path(place), "**/*.py"):
                with suppress(UsageError):  # one of many, perhaps none that is meant
                    if code_hash_of_file(absolute(found)) == wanted:
                        return str(absolute(found))
        elif code_hash_of_file(path := absolute(file["path"])) == wanted:
            return f"{path}:{file['name']}" if file["name"] else str(path)
    return None


def source_file(adapter_class: "type[Adapter]") -> str | None:
    """The path of the file that defines the class, as tracebacks name it; None if there is none."""
    try:
        return inspect.getsourcefile(adapter_class)
    except TypeError:
        return None


def _text_of(path: Path) -> str:
    try:
        return read_source(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UsageError:
    return UsageError(f"model file {path.name} cannot be read ({describe(error)}); correct its path.")


def _load_file(path: Path, expected_hash: str | None) -> ModuleType:
    """The module in a file, compiled from its current text and never loaded from stale bytecode."""
    if expected_hash and (loaded := sys.modules.get(_module_name(path, expected_hash))):
        return loaded
    text = _text_of(path)
    name = _module_name(path, code_hash_of_file(path))
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # the suffix is .py
    module = importlib.util.module_from_spec(spec)
    place = place_of_file(path)
    if place.package:  # what its relative imports begin at
        module.__package__, module.__spec__ = ".".join(place.package), None
    sys.modules[name] = module  # dataclasses and pickle look a class's module up there
    _surroundings[name] = surroundings_of_file(path, len(place.package))
    try:
        with _surroundings[name].entered(importing=True):
            exec(compile(text, str(path), "exec"), vars(module))
    except BaseException as error:
        sys.modules.pop(name, None)
        if not isinstance(error, Exception):
            raise
        line = line_in(error, path)
        where = "" if line is None else f" at line {line}"
        raise UsageError(f"model file {path.name} fails{where}: {describe(error)}; fix the file.") from error
    return module


def _module_name(path: Path, text_hash: str) -> str:
    return f"{_FILE_MODULE}{hash_of_text(str(path) + text_hash)[:16]}"


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
