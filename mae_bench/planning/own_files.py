"""The files that a model's code consists of: its own, and those of its folder or package that it imports by name.

Read from the texts alone: nothing is imported. What a file imports in a way that its text does not tell, and data that
it reads, are not seen. A package's `__init__.py` counts if something is imported from it, not because it lies on the
way.
"""

import ast
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mae_bench.foundation.canonical import sha256_of
from mae_bench.foundation.content import PACKAGE
from mae_bench.foundation.errors import UsageError
from mae_bench.foundation.source import hash_of_text, read_source


@dataclass(frozen=True)
class Place:
    """Where a file's imports are looked up.

    root: the folder of its outermost package, or its own. package: the names from there to its folder. top: the one
    name that is its own in `root`; None if every name there is.
    """

    root: Path
    package: tuple[str, ...]
    top: str | None


def place_of_file(path: Path) -> Place:
    """Of a file that is given by its path: a part of a package if its relative imports, or an `__init__.py`, say so."""
    nodes = ast.walk(_parsed(path))
    levels = max((node.level for node in nodes if isinstance(node, ast.ImportFrom)), default=0)
    names: list[str] = []
    folder = path.parent
    while folder.name and (levels > len(names) or (levels and (folder / "__init__.py").is_file())):
        names.insert(0, folder.name)
        folder = folder.parent
    if names:
        return Place(folder, tuple(names), names[0])
    return Place(folder, (), _installed_name(folder, path.stem))


def place_of_module(module: str, path: Path) -> Place:
    """Of the file of the module that Python knows as `module`."""
    names = module.split(".")
    package = tuple(names if path.name == "__init__.py" else names[:-1])
    root = path.parent
    for _ in package:
        root = root.parent
    return Place(root, package, package[0] if package else _installed_name(root, names[0]))


def own_files(path: Path, place: Place) -> dict[str, Path]:
    """The file itself and those of its own that it imports, and they import: by their path relative to its folder.

    OSError or ValueError if one cannot be read.
    """
    found: dict[Path, Place] = {}
    waiting = [(path, place)]
    while waiting:
        file, here = waiting.pop()
        if file in found:
            continue
        found[file] = here
        waiting += _imported(file, here)
    return {os.path.relpath(file, path.parent): file for file in found}


def run_with(path: Path) -> set[Path]:
    """The files that Python runs to import the one at `path`: its own, and the `__init__.py` of the packages above them
    with what these import. OSError or ValueError if one cannot be read.
    """
    place = place_of_file(path)
    found: set[Path] = set()
    waiting = [(path, place)]
    while waiting:
        for file in own_files(*waiting.pop()).values():
            if file in found:
                continue
            found.add(file)
            folders = file.relative_to(place.root).parents if place.package else ()
            for init in (place.root / folder / "__init__.py" for folder in folders if folder.name):
                if init.is_file() and init not in found:
                    package = init.parent.relative_to(place.root).parts
                    waiting.append((init, Place(place.root, package, place.top)))
    return found


def hash_of_files(path: Path, place: Place) -> str:
    """SHA-256 of the text of the file at `path` or, if it imports others of its own, of all of them.

    OSError or ValueError if one cannot be read.
    """
    files = own_files(path, place)
    text = read_source(files.pop(path.name))
    if not files:
        return hash_of_text(text)
    others = {Path(name).as_posix(): hash_of_text(read_source(file)) for name, file in files.items()}
    return sha256_of({"file": hash_of_text(text), "imports": others})


def find_module(code: str) -> tuple[str, Path]:
    """The module that defines the class of `package.module:Class`, and its file, without importing either.

    UsageError if there is no such module, or if its text does not define the class nor say where it is from.
    """
    module, _, name = code.partition(":")
    for _ in range(_LONGEST_CHAIN):
        path = _file_of_module(module)
        if path is None:
            break
        source = _origin(path, place_of_module(module, path), name)
        if source == module:
            return module, path
        if source is None:
            break
        module = source
    raise UsageError(
        f"model {code!r} cannot be found without importing it; name the module that defines the class, and start "
        "from where it can be imported."
    )


_LONGEST_CHAIN = 10
"""Modules from which one after another a class is imported."""


def _origin(path: Path, place: Place, name: str) -> str | None:
    """The module where `name` of this file is defined: its own, or the one that it imports it from; None if neither."""
    own = ".".join((*place.package, *(() if path.name == "__init__.py" else (path.stem,))))
    for node in _parsed(path).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return own
        if isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names):
            base = place.package[: len(place.package) - node.level + 1] if node.level else ()
            return ".".join((*base, *(node.module or "").split("."))).strip(".")
    return None


def _file_of_module(module: str) -> Path | None:
    """Its file, where Python would find it; the packages above it are not imported."""
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))  # as `load_class` does
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)  # of a name without a dot, which imports nothing
    except (ImportError, ValueError):
        return None
    if not rest:
        return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
    folders = [Path(folder, *rest[:-1]) for folder in (spec and spec.submodule_search_locations) or ()]
    found = (file for folder in folders for file in _files_of(folder / rest[-1]))
    return next((file for file in found if file.is_file()), None)


def _imported(path: Path, place: Place) -> Iterator[tuple[Path, Place]]:
    """The files of its own that the text of `path` imports."""
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = tuple(node.module.split(".")) if node.module else ()
            if node.level:
                module = (*place.package[: max(0, len(place.package) - node.level + 1)], *module)
            names = [(*module, alias.name) for alias in node.names]
            names = [name if _file(place, name) else module for name in names]
        else:
            continue
        for name in names:
            if file := _file(place, name):
                package = name if file.name == "__init__.py" else name[:-1]
                yield file, Place(place.root, package, place.top)


def _file(place: Place, name: tuple[str, ...]) -> Path | None:
    """The file of the module of that name, if it is the model's own."""
    if not name or (place.top is not None and name[0] != place.top) or name[0] == PACKAGE.name:
        return None
    if place.top is None and name[0] in sys.stdlib_module_names:
        return None
    return next((file for file in _files_of(place.root.joinpath(*name)) if file.is_file()), None)


def _files_of(module: Path) -> tuple[Path, Path]:
    """Where the text of the module may be that would be at this path: in a folder of its name, or in a file."""
    return module / "__init__.py", module.with_name(f"{module.name}.py")


def _installed_name(folder: Path, name: str) -> str | None:
    """`name` alone if it is a folder for installed packages, which are not the model's own; None if all there is."""
    installed = {os.path.realpath(sysconfig.get_path(kind)) for kind in ("purelib", "platlib", "stdlib")}
    return name if os.path.realpath(folder) in installed else None


def _parsed(path: Path) -> ast.Module:
    """The text of the file as Python reads it; nothing of a text that is not Python, which importing it will say."""
    text = read_source(path)
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])
