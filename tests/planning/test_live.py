"""Classes of a notebook: cells are run in a module of their own that takes the place of `__main__`."""

import sys

import pytest

from mae_bench import Adapter
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.adapter_code import code_hash, code_of, load_class
from mae_bench.planning.live import live_text, register
from tests.api.notebook import Notebook

CELL = """
from mae_bench import Adapter

SIZE = 8
NAMES = {"a", "b"}
unused = 1

def width():
    return 2 * SIZE

def build(
    inputs
):
    return [inputs] * width()

class Base(Adapter):
    def encode(self, x):
        return x

class Mine(Base):
    def loss(self, x):
        unused = build(3)
        return unused, NAMES
"""


@pytest.fixture
def notebook(monkeypatch):
    made = Notebook()
    monkeypatch.setitem(sys.modules, "__main__", made)
    return made


def hash_after(text):
    notebook = sys.modules["__main__"]
    notebook.run(text)
    return code_hash(load_class(code_of(notebook.Mine)))


@pytest.mark.usefixtures("notebook")
def test_the_same_text_has_the_same_hash_however_often_it_is_run():
    assert hash_after(CELL) == hash_after(CELL) == hash_after(CELL + "\nother = 3\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("unused = build(3)", "unused = build(4)"),
        ("[inputs] * width()", "[inputs] + width()"),
        ("2 * SIZE", "3 * SIZE"),
        ("SIZE = 8", "SIZE = 9"),
        ('"a", "b"', '"a", "c"'),
        ("return x", "return -x"),
    ],
)
@pytest.mark.usefixtures("notebook")
def test_what_the_class_uses_at_any_remove_is_in_its_hash(before, after):
    assert before in CELL
    first = hash_after(CELL)
    assert hash_after(CELL.replace(before, after)) != first


@pytest.mark.usefixtures("notebook")
def test_what_the_class_does_not_use_is_not_in_its_hash():
    """Not even a variable with the name of one of its own."""
    assert hash_after(CELL) == hash_after(CELL.replace("unused = 1", "unused = 2"))


def test_a_helper_that_another_cell_defines_anew_changes_the_hash(notebook):
    first = hash_after(CELL)
    assert hash_after("def width():\n    return 5\n") != first
    assert hash_after("def width():\n    return 2 * SIZE\n") == first


def test_a_class_whose_name_stands_for_another_is_still_found(notebook):
    notebook.run(CELL)
    old, code = notebook.Mine, code_of(notebook.Mine)
    notebook.run(CELL.replace("build(3)", "build(4)"))
    assert load_class(code) is old
    assert code_of(notebook.Mine) != code
    assert load_class(code_of(notebook.Mine)) is notebook.Mine


def test_two_classes_of_one_name_that_derive_from_each_other_both_count(notebook):
    notebook.run(CELL)
    notebook.run("class Mine(Mine):\n    def loss(self, x):\n        return 0\n")
    text = live_text(notebook.Mine)
    assert "return unused, NAMES" in text and "return 0" in text


def test_a_text_that_nobody_kept_is_a_usage_error(notebook):
    exec(
        "from mae_bench import Adapter\nclass Typed(Adapter):\n    def encode(self, x):\n        return x\n",
        vars(notebook),
    )
    with pytest.raises(UsageError, match=r"the text of Typed, .* cannot be read .*put it into a \.py file"):
        register(notebook.Typed)


class Importable(Adapter):
    """In a module that Python finds."""


def test_a_class_of_a_module_is_written_as_its_place_and_one_of_a_file_as_its_path(tmp_path):
    assert code_of(Importable) == f"{__name__}:Importable"
    file = tmp_path / "tiny.py"
    file.write_text("from mae_bench import Adapter\nclass Tiny(Adapter):\n    pass\n")
    assert code_of(load_class(str(file))) == f"{file}:Tiny"


def test_what_cannot_be_found_again_is_refused(monkeypatch):
    class Local(Adapter):
        pass

    with pytest.raises(UsageError, match="Local is defined within a function"):
        code_of(Local)
    with pytest.raises(UsageError, match=r"'mae' is not a subclass of mae_bench\.Adapter"):
        code_of("mae")
    old = Importable
    monkeypatch.setattr(sys.modules[__name__], "Importable", type("Importable", (Adapter,), {"__module__": __name__}))
    with pytest.raises(UsageError, match="import it from there again"):
        code_of(old)
