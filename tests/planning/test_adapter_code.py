import hashlib
import sys
from dataclasses import is_dataclass
from pathlib import Path

import pytest
import torch

from mae_bench.foundation.errors import UsageError
from mae_bench.planning.adapter_code import code_hash, code_hash_of_file, load_class, load_object

TINY = """
from mae_bench import Adapter

class Tiny(Adapter):
    number = 1
"""
TWO = """
from dataclasses import dataclass
from mae_bench import Adapter

class First(Adapter):
    pass

class Second(First):
    pass

@dataclass
class Note:
    text: str
"""


@pytest.fixture
def write(tmp_path):
    def write(text, name="tiny.py"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_file_with_one_adapter_needs_no_class_name(write):
    path = write(TINY)
    assert load_class(str(path)).__name__ == "Tiny"
    assert load_class(str(path)) is load_class(f"{path}:Tiny")


def test_a_file_edited_within_the_same_second_is_read_anew_and_leaves_no_bytecode(write):
    path = write(TINY)
    assert load_class(str(path)).number == 1
    write(TINY.replace("number = 1", "number = 2"))
    assert load_class(str(path)).number == 2
    assert [entry.name for entry in path.parent.iterdir()] == ["tiny.py"]


def test_of_several_adapters_one_has_to_be_chosen(write):
    path = write(TWO)
    with pytest.raises(UsageError, match=r"several adapters; choose one of tiny.py:First, tiny.py:Second"):
        load_class(str(path))
    second = load_class(f"{path}:Second")
    assert second.__name__ == "Second"
    assert is_dataclass(sys.modules[second.__module__].Note)


def test_an_adapter_that_a_file_only_imports_is_not_its_own(write):
    path = write("from mae_bench import Adapter\nfrom mae_bench.vae import VAE\n")
    with pytest.raises(UsageError, match="defines no adapter"):
        load_class(str(path))


def test_a_class_that_a_file_does_not_define_is_named(write):
    with pytest.raises(UsageError, match=r"tiny.py defines no adapter Huge \(it defines Tiny\)"):
        load_class(f"{write(TINY)}:Huge")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("import sys\n\nimport no_such_package_anywhere\n", "line 3: ModuleNotFoundError: .*no_such_package_anywhere"),
        ("def f(:\n", "line 1: SyntaxError"),
        ("def f():\n    return 1 / 0\n\n\nf()\n", "line 2: ZeroDivisionError"),
    ],
)
def test_a_faulty_file_is_named_with_the_error_and_its_line(write, text, fault):
    path = write(text)
    for _ in range(2):  # a file that failed is not found among the loaded modules the second time
        with pytest.raises(UsageError, match=rf"^model file tiny.py fails at {fault}"):
            load_class(str(path))


@pytest.mark.parametrize("name", ["absent.py", "latin.py"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    (tmp_path / "latin.py").write_bytes(b"# \xe9\n")
    with pytest.raises(UsageError, match=rf"model file {name} cannot be read"):
        load_class(str(tmp_path / name))


def test_a_module_in_the_working_directory_is_found_but_hides_nothing_installed(write, monkeypatch):
    path = write(TINY, "my_models_for_this_test.py")
    write("raise RuntimeError('this is not the installed click')", "click.py")
    monkeypatch.chdir(path.parent)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.delitem(sys.modules, "click", raising=False)
    assert load_class("my_models_for_this_test:Tiny").__name__ == "Tiny"
    assert load_object("click:Group", "model").__name__ == "Group"


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("no_such_package_anywhere.vae:VAE", "ModuleNotFoundError"),
        ("mae_bench.vae:Nothing", "AttributeError"),
        ("mae_bench.adapter:DataSpec", "not a subclass"),
        ("mae_bench:Adapter", "not a subclass"),
        ("mae_bench.adapter:", "cannot be imported"),
    ],
)
def test_a_module_without_that_adapter_is_a_usage_error(source, fault):
    with pytest.raises(UsageError, match=fault):
        load_class(source)


def test_the_source_hash_is_that_of_the_text_of_the_classs_own_file(write):
    path = write(TINY)
    assert code_hash(load_class(str(path))) == hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(TINY.replace("\n", "\r\n").encode())
    assert code_hash(load_class(str(path))) == hashlib.sha256(TINY.encode()).hexdigest()
    path.write_text(TINY + "# a remark\n", encoding="utf-8")
    assert code_hash(load_class(str(path))) != hashlib.sha256(TINY.encode()).hexdigest()


def test_a_class_without_a_file_cannot_be_hashed():
    from mae_bench import Adapter

    with pytest.raises(UsageError, match="no file whose text"):
        code_hash(type("Nowhere", (Adapter,), {"__module__": "builtins"}))


GREETING = TINY + "    name = 'Größe é'\n"


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (GREETING.encode("utf-8-sig"), "Größe é"),
        (GREETING.replace("\n", "\r\n").encode(), "Größe é"),
        (GREETING.replace("\n", "\r").encode(), "Größe é"),
        (f"# -*- coding: latin-1 -*-\n{GREETING}".encode("latin-1"), "Größe é"),
        (f"#!/usr/bin/env python\n# coding: cp1252\n{GREETING}".encode("cp1252"), "Größe é"),
        (f"\ufeff# coding: utf-8\n{GREETING}".encode(), "Größe é"),
    ],
)
def test_a_file_is_read_as_python_reads_it(tmp_path, content, name):
    path = tmp_path / "encoded.py"
    path.write_bytes(content)
    adapter_class = load_class(str(path))
    assert adapter_class.name == name
    assert code_hash(adapter_class) == code_hash_of_file(path)


def test_the_hash_is_that_of_the_text_however_it_is_encoded_and_as_it_was_of_plain_utf_8(tmp_path):
    plain = hashlib.sha256(GREETING.encode()).hexdigest()
    for number, content in enumerate(
        (GREETING.encode(), GREETING.encode("utf-8-sig"), GREETING.replace("\n", "\r\n").encode())
    ):
        path = tmp_path / f"encoded_{number}.py"
        path.write_bytes(content)
        assert code_hash_of_file(path) == plain
        assert code_hash(load_class(str(path))) == plain


@pytest.mark.parametrize("first", ["# coding: no-such-encoding", "# coding: ascii"])
def test_an_encoding_that_is_none_is_a_sentence(tmp_path, first):
    path = tmp_path / "encoded.py"
    path.write_bytes(f"{first}\n{GREETING}".encode())
    with pytest.raises(UsageError, match=r"model file encoded\.py cannot be read"):
        load_class(str(path))


def test_a_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "tiny.py").write_text(TINY)
    assert load_class("~/tiny.py") is load_class(str(tmp_path / "tiny.py"))
    with pytest.raises(UsageError, match="cannot be read"):
        load_class("~nobody_of_that_name/tiny.py")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("import sys\n\nsys.exit()\n", "line 3: SystemExit"),
        ("import sys\nsys.exit('no')\n", "line 2: SystemExit: no"),
        ("def f():\n    raise GeneratorExit\n\n\nf()\n", "line 2: GeneratorExit"),
        ("class Odd(BaseException):\n    pass\n\nraise Odd('so')\n", "line 4: Odd: so"),
    ],
)
def test_a_file_that_exits_is_a_faulty_file(write, text, fault):
    path = write(text)
    for _ in range(2):
        with pytest.raises(UsageError, match=rf"^model file tiny\.py fails at {fault}; fix the file\.$"):
            load_class(str(path))


def test_an_interruption_while_a_file_loads_is_none_of_its_faults(write):
    path = write("raise KeyboardInterrupt\n")
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            load_class(str(path))


def test_a_module_that_exits_is_a_sentence(write, monkeypatch):
    write("import sys\nsys.exit()\n", "exiting_module_of_this_test.py")
    monkeypatch.syspath_prepend(write("", "other.py").parent)
    sentence = r"cannot be imported \(SystemExit at line 2 of exiting_module_of_this_test\.py\); correct"
    with pytest.raises(UsageError, match=sentence):
        load_class("exiting_module_of_this_test:Tiny")


def test_loading_a_file_changes_nothing_for_others(write):
    """The rest is in the tests of `foundation.process`."""
    path = write(f"import os, torch\ntorch.set_default_dtype(torch.float64)\nos.chdir('/')\n{TINY}")
    before = Path.cwd()
    load_class(str(path))
    assert torch.get_default_dtype() == torch.float32
    assert Path.cwd() == before


def test_a_class_that_is_loaded_is_given_for_its_hash_even_after_an_edit(write):
    path = write(TINY)
    planned = load_class(str(path))
    write(TINY.replace("number = 1", "number = 2"))
    assert load_class(str(path), hashlib.sha256(TINY.encode()).hexdigest()) is planned
    assert load_class(str(path), "0" * 64).number == 2
