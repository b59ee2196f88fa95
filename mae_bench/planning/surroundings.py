"""What the code of a model finds around it: its own folder on Python's path, and the modules of that folder.

Python has one path and one table of modules for a process, so of two repositories with a package `models` the second
would be given the modules of the first. Here those modules are in the table only while the code of their own model runs
(`Surroundings.entered`); between, they are kept aside. Does not import torch.
"""

import importlib
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import FunctionType, ModuleType

from mae_bench.foundation.process import escapes_caught, kept_apart

Modules = dict[str, ModuleType]
"""Name in Python's table -> module."""


@dataclass
class Surroundings:
    """Of the file or module that a model was imported from."""

    before: tuple[str, ...] = ()
    """What comes first on the path while its code runs: its folder, and what it put there itself as it was imported."""
    after: tuple[str, ...] = ()
    """What the code then put at the end."""
    variables: dict[str, str | None] = field(default_factory=dict)
    """The variables of the environment that it then set; None for one that it removed."""
    modules: Modules = field(default_factory=dict)
    """Those that came from its own places, and others that hold parts of them."""
    in_place: bool = False
    """Whether the code may run now."""

    @contextmanager
    def entered(self, *, importing: bool = False) -> Iterator[None]:
        """Code of the model may run within it: what it finds around it is in place, and the process is `kept_apart`.

        importing: what the code does to the path and to the environment is part of its surroundings from then on.
        Entered again within itself, it only has `escapes_caught`.
        """
        if self.in_place:
            with escapes_caught():
                yield
            return
        with kept_apart():
            path = list(sys.path)
            sys.path[:] = [*self.before, *path, *self.after]
            for name, value in self.variables.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})
            variables = dict(os.environ)
            importlib.invalidate_caches()  # a file may be newer than what Python remembers of its folder
            displaced = self._take_over()
            known = dict(sys.modules)
            self.in_place = True
            try:
                yield
                if importing:
                    self._remember(path, variables)
            finally:
                self.in_place = False
                self._withdraw(known, path)
                sys.modules.update(displaced)

    def _remember(self, path: Sequence[str], variables: Mapping[str, str]) -> None:
        """path: what others find; variables: the environment as it was before the import."""
        middle = next((i for i in range(len(sys.path)) if sys.path[i : i + len(path)] == path), None)
        if middle is None:  # it put something between, and meant it to be found
            self.before = tuple(entry for entry in sys.path if entry not in path)
        else:
            self.before, self.after = tuple(sys.path[:middle]), tuple(sys.path[middle + len(path) :])
        names = variables.keys() | os.environ.keys()
        self.variables |= {name: os.environ.get(name) for name in names if os.environ.get(name) != variables.get(name)}

    def _take_over(self) -> Modules:
        """Put its modules into Python's table; gives those of others that they, or files still to import, displace."""
        roots = {_root(name) for name in sys.modules} - _first_modules()
        specs = {root: PathFinder.find_spec(root, self.before) for root in roots}
        hidden = {root for root, spec in specs.items() if spec and spec.has_location}  # else a folder of that name
        displaced = {
            name: module for name, module in sys.modules.items() if _root(name) in hidden or name in self.modules
        }
        for name in displaced:
            del sys.modules[name]
        sys.modules.update(self.modules)
        return displaced

    def _withdraw(self, known: Mapping[str, ModuleType], path: Sequence[str]) -> None:
        """Take its modules out of Python's table, also those imported since then. known: the table as it was then."""
        new = {name: module for name, module in sys.modules.items() if known.get(name) is not module}
        places = {os.path.realpath(entry) for entry in {*self.before, *self.after, *sys.path}}
        places -= {os.path.realpath(entry) for entry in path}  # from there everybody imports
        places = {place for place in places if place in self.before or not _is_installed(place)}
        known_roots = {_root(name) for name in known if name not in self.modules}
        roots = {
            root for name in new if (root := _root(name)) not in known_roots and _place(sys.modules.get(root)) in places
        }
        own = {name: module for name, module in new.items() if _root(name) in roots}
        self.modules |= own
        others = {name: new[name] for name in new.keys() - own.keys() if _root(name) not in _first_modules()}
        self.modules |= _holders_of(self.modules, others)
        for name in self.modules:
            sys.modules.pop(name, None)


def surroundings_of_file(file: Path, depth: int = 0) -> Surroundings:
    """Those of the model file at this absolute path, which is about to be imported. depth: packages that it lies in.

    Files of one folder share its modules. If the text of a file has changed, what it imports is imported anew too.
    """
    # A file of the hub's cache is a link to one that lies elsewhere under another name; its neighbours are links too.
    folders = tuple(dict.fromkeys(os.path.realpath(path.parents[depth]) for path in (file, file.resolve())))
    if file in _files:
        _of_folders.pop(folders, None)
    _files.add(file)
    return Surroundings(folders, modules=_of_folders.setdefault(folders, {}))


_of_folders: dict[tuple[str, ...], Modules] = {}
_files: set[Path] = set()


@cache
def _first_modules() -> frozenset[str]:
    """What was imported before the first model, and what belongs to Python: no file in a model's folder hides it."""
    return frozenset(_root(name) for name in sys.modules) | sys.stdlib_module_names


def _is_installed(place: str) -> bool:
    """Whether a folder is a part of what is installed, as one that a package puts on the path for its own use."""
    folders = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    return any(Path(place).is_relative_to(os.path.realpath(folder)) for folder in folders)


def _root(name: str) -> str:
    return name.partition(".")[0]


def _place(module: ModuleType | None) -> str | None:
    """The folder in which a module was found that is part of no package; None for one without a file."""
    found = [*getattr(module, "__path__", ()), getattr(module, "__file__", None)]
    return None if found[0] is None else os.path.realpath(Path(found[0]).parent)


def _holders_of(own: Modules, others: Modules) -> Modules:
    """Those of `others` that hold a module, class or function of `own`, or of one that does.

    An installed package that imports `utils` while a model has a `utils` of its own gets the wrong one, and must not
    hand it on.
    """
    found: Modules = {}
    while True:
        names = own.keys() | found.keys()
        modules = {id(module) for module in (*own.values(), *found.values())}
        more = {
            name: module
            for name, module in others.items()
            if name not in found and any(_is_from(value, names, modules) for value in list(vars(module).values()))
        }
        if not more:
            return found
        found |= more


def _is_from(value: object, names: set[str], modules: set[int]) -> bool:
    if isinstance(value, ModuleType):
        return id(value) in modules
    return isinstance(value, type | FunctionType) and value.__module__ in names
