"""Which files a model's code consists of, and their hash: that of a single file is the one it always had."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import UsageError
from mae_bench.foundation.source import read_source
from mae_bench.planning.adapter_code import code_hash, code_hash_of_file, find_code, load_class
from mae_bench.planning.own_files import find_module, own_files, place_of_file, place_of_module

EXAMPLE = content_folder("docs/examples") / "my_vae.py"
MODEL = "from mae_bench import Adapter\n{imports}\n\nclass Mine(Adapter):\n    width = {width}\n"


def write(folder: Path, **texts: str) -> Path:
    """Files `a__b="..."` as `a/b.py`, and `a__init="..."` as `a/__init__.py`; gives the folder."""
    for name, text in texts.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path = path.with_stem("__init__") if path.stem == "init" else path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package `own_package` whose files import one another in every way, and its folder as the working directory."""
    write(
        tmp_path,
        own_package__model=MODEL.format(imports="from .layers import blocks", width="blocks.WIDTH"),
        own_package__layers__init="NOTHING = 0\n",
        own_package__layers__blocks="from own_package.sizes import *\nfrom ..numbers import ten as WIDTH\n",
        own_package__sizes="import numpy, json\nSIZES = [1]\n",
        own_package__numbers="def lazily():\n    from . import late\n\nten = 10\n",
        own_package__late="LATE = 1\n",
        own_package__unused="UNUSED = 1\n",
        own_package__init="from .model import Mine\nfrom . import unused\n",
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "own_package"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "path",
    [*content_folder("baselines").glob("*.py"), EXAMPLE, Path(__file__).parents[1] / "adapters" / "strangers.py"],
    ids=lambda path: path.stem,
)
def test_the_hash_of_a_model_in_one_file_is_that_of_its_text(path: Path) -> None:
    """Keys of published records hang on it."""
    assert code_hash_of_file(path) == hashlib.sha256(read_source(path).encode()).hexdigest()


def test_the_files_of_a_package_are_those_that_are_imported_by_name(package: Path) -> None:
    path = package / "own_package" / "model.py"
    names = {"model.py", "layers/blocks.py", "sizes.py", "numbers.py", "late.py"}
    assert set(own_files(path, place_of_file(path))) == names
    assert set(own_files(path, place_of_module("own_package.model", path))) == names


def test_a_package_has_one_hash_however_it_is_named(package: Path) -> None:
    path = package / "own_package" / "model.py"
    loaded = load_class("own_package.model:Mine")
    assert loaded.width == 10  # type: ignore[attr-defined]
    assert code_hash(loaded) == code_hash_of_file(path)
    by_path = load_class(f"{path}:Mine")
    assert by_path.width == 10 and by_path is not loaded  # type: ignore[attr-defined]
    assert code_hash(by_path) == code_hash(loaded)
    assert code_hash(load_class("own_package:Mine")) == code_hash(loaded)


@pytest.mark.parametrize("changed", ["model", "layers/blocks", "sizes", "numbers", "late"])
def test_a_change_in_any_of_them_changes_the_hash(package: Path, changed: str) -> None:
    path = package / "own_package" / "model.py"
    before = code_hash_of_file(path)
    with (package / "own_package" / f"{changed}.py").open("a") as file:
        file.write("# changed\n")
    assert code_hash_of_file(path) != before


def test_a_change_elsewhere_does_not(package: Path) -> None:
    path = package / "own_package" / "model.py"
    before = code_hash_of_file(path)
    write(package, own_package__unused="UNUSED = 2\n", numpy="raise SystemExit\n", own_package__layers__init="ONE = 1")
    assert code_hash_of_file(path) == before


def test_helpers_beside_a_file_belong_to_it_and_a_changed_one_is_imported_anew(tmp_path: Path) -> None:
    path = write(tmp_path, mine=MODEL.format(imports="from parts import sizes", width="sizes.WIDTH")) / "mine.py"
    write(tmp_path, parts__sizes="WIDTH = 3\n")
    assert set(own_files(path, place_of_file(path))) == {"mine.py", "parts/sizes.py"}
    first = load_class(str(path))
    before = code_hash(first)
    write(tmp_path, parts__sizes="WIDTH = 4\n")
    second = load_class(str(path))
    assert (first.width, second.width) == (3, 4)  # type: ignore[attr-defined]
    assert code_hash(second) != before
    assert load_class(str(path), before) is first


def test_the_hash_does_not_tell_where_the_files_lie(tmp_path: Path) -> None:
    text = MODEL.format(imports="import parts.sizes", width="1")
    hashes = {
        code_hash_of_file(write(tmp_path / folder, mine=text, parts__sizes="WIDTH = 3\n") / "mine.py")
        for folder in ("here", "there/far")
    }
    assert len(hashes) == 1


def test_what_is_of_python_of_mae_bench_or_installed_is_not_the_models_own(tmp_path: Path) -> None:
    path = write(tmp_path, mine="import json\nfrom mae_bench import Adapter\nimport torch\n") / "mine.py"
    write(tmp_path, json="", mae_bench__init="", mae_bench__adapter="")
    assert set(own_files(path, place_of_file(path))) == {"mine.py"}


def test_files_that_import_each_other_or_are_no_python_have_an_end(tmp_path: Path) -> None:
    path = write(tmp_path, a="import b, c", b="import a", c="this is no Python") / "a.py"
    assert set(own_files(path, place_of_file(path))) == {"a.py", "b.py", "c.py"}


def test_a_module_is_found_without_being_imported(package: Path) -> None:
    path = package / "own_package" / "model.py"
    assert find_module("own_package.model:Mine") == ("own_package.model", path)
    assert find_module("own_package:Mine") == ("own_package.model", path)
    assert not [name for name in sys.modules if name.startswith("own_package")]
    for wrong in ("own_package:Yours", "no_such_package:Mine", "own_package.none:Mine", "json:Mine"):
        with pytest.raises(UsageError, match="cannot be found without importing it"):
            find_module(wrong)


def test_code_is_found_by_its_hash_in_files_folders_and_modules(package: Path) -> None:
    path = package / "own_package" / "model.py"
    wanted = code_hash_of_file(path)
    assert find_code([EXAMPLE, path], wanted) == str(path)
    assert find_code([f"{path}:Mine"], wanted) == f"{path}:Mine"
    assert find_code([package], wanted) == str(path)
    assert find_code(["own_package:Mine"], wanted) == "own_package:Mine"
    assert find_code([EXAMPLE, "own_package:Mine"], "0" * 64) is None
    assert not [name for name in sys.modules if name.startswith("own_package")]


def test_a_neighbour_that_cannot_be_read_is_a_usage_error(tmp_path: Path) -> None:
    path = write(tmp_path, mine=MODEL.format(imports="import other", width="1")) / "mine.py"
    (tmp_path / "other.py").write_bytes(b"# coding: no-such-encoding\n")
    with pytest.raises(UsageError, match=r"model file mine.py cannot be read"):
        load_class(str(path))


def test_a_package_ends_where_no_init_file_is(tmp_path: Path) -> None:
    """A file with relative imports belongs to all packages that it lies in, so their names are its own."""
    write(tmp_path, outer__init="", outer__inner__init="", outer__sizes="WIDTH = 7\n", outer__inner__none="")
    imports = "from . import none\nfrom outer import sizes"
    write(tmp_path, outer__inner__mine=MODEL.format(imports=imports, width="sizes.WIDTH"))
    path = tmp_path / "outer" / "inner" / "mine.py"
    assert set(own_files(path, place_of_file(path))) == {"mine.py", "none.py", "../sizes.py"}
    assert load_class(str(path)).width == 7  # type: ignore[attr-defined]
