"""`new-model` writes the example adapter of the documentation under a new name, and its test. Does not import torch."""

import importlib.util
import keyword
import re
from pathlib import Path

from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import UsageError

_EXAMPLE_CLASS = "MyVAE"
_TEST = '''"""{class_name} keeps every rule of mae_bench.testing."""

from pathlib import Path

from mae_bench.testing import check_file


def test_{name}_keeps_the_contract() -> None:
    check_file(Path(__file__).with_name("{name}.py"))
'''


def write_model(name: str, folder: Path) -> tuple[Path, Path]:
    """Write `name`.py, a working adapter, and test_`name`.py into `folder`, and return their paths.

    UsageError, before anything is written, if the name is not a free module name in snake_case or either file exists.
    """
    _check_name(name)
    example = (content_folder("docs/examples") / "my_vae.py").read_text(encoding="utf-8")
    class_name = "".join(word.capitalize() for word in name.split("_"))
    adapter, test = folder / f"{name}.py", folder / f"test_{name}.py"
    for path in (adapter, test):
        if path.exists():
            raise UsageError(f"{path.name} already exists and stays unchanged; choose another name or move that file.")
    if importlib.util.find_spec(name) or re.search(rf"\b{class_name}\b", example):
        raise UsageError(f"{name!r} or {class_name!r} is the name of something else in Python; choose another name.")
    write_atomically(adapter, re.sub(rf"\b{_EXAMPLE_CLASS}\b", class_name, example).encode())
    write_atomically(test, _TEST.format(name=name, class_name=class_name).encode())
    return adapter, test


def _check_name(name: str) -> None:
    """UsageError unless `name` is a module name in snake_case, of at most 64 characters, as records require."""
    if re.fullmatch("[a-z][a-z0-9]*(_[a-z0-9]+)*", name) and len(name) <= 64 and not keyword.iskeyword(name):
        return
    raise UsageError(
        f"a model cannot be called {name!r}: the name is also that of a Python module; use at most 64 lower-case "
        "letters and digits, with single underscores between them, as in my_model."
    )
