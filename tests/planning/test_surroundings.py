"""A model finds its own folder and the modules in it, wherever another has modules of the same names."""

import os
import sys
from pathlib import Path

import pytest

from mae_bench.foundation.errors import UsageError
from mae_bench.planning.adapter_code import code_hash, load_class, surroundings_of

MODEL = """
from mae_bench import Adapter
from models.net import NAME

class NAME_(Adapter):
    name = NAME

    def late(self):
        from models.late import LATE
        import models.net
        return LATE, models.net.NAME
"""


def repository(folder, name, model=MODEL):
    """A folder with a model file and a package `models`, and the path of the file."""
    (folder / "models").mkdir(parents=True)
    (folder / "models" / "__init__.py").touch()
    (folder / "models" / "net.py").write_text(f"NAME = {name!r}\n")
    (folder / "models" / "late.py").write_text(f"LATE = 'late {name}'\n")
    path = folder / f"{name.lower()}.py"
    path.write_text(model.replace("NAME_", name))
    return path


def ask(adapter_class, question="late"):
    with surroundings_of(adapter_class).entered():
        return getattr(adapter_class, question)(None)


@pytest.fixture(autouse=True)
def _table(monkeypatch):
    """Python's table and path are the same after a test."""
    before, path = dict(sys.modules), list(sys.path)
    yield
    for name in [name for name in sys.modules if name not in before]:
        if not name.startswith(("_mae_bench", "mae_bench", "torch", "numpy")):
            del sys.modules[name]
    sys.path[:] = path


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """`installed(name, text)`: a module on the ordinary path."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)

    def install(name, text):
        (site / f"{name}.py").write_text(text)

    return install


def test_two_repositories_with_a_package_of_one_name(tmp_path):
    """Each has its own as it loads, and whenever it runs, in any order; nobody else has either."""
    a, b = (load_class(str(repository(tmp_path / name, name.upper()))) for name in ("a", "b"))
    assert (a.name, b.name) == ("A", "B")
    for _ in range(2):
        assert ask(a) == ("late A", "A")
        assert ask(b) == ("late B", "B")
    assert not [name for name in sys.modules if name.partition(".")[0] == "models"]
    assert str(tmp_path / "a") not in sys.path
    with pytest.raises(ModuleNotFoundError):
        import models  # noqa: F401


def test_a_module_that_is_imported_twice_is_the_same_module(tmp_path):
    counted = MODEL + "\n    def state(self):\n        import models.net\n        return models.net\n"
    a = load_class(str(repository(tmp_path / "a", "A", counted)))
    first = ask(a, "state")
    first.count = 1
    assert ask(a, "state").count == 1


def test_files_of_one_folder_share_its_modules(tmp_path):
    first = repository(tmp_path / "a", "A")
    second = first.with_name("second.py")
    second.write_text(first.read_text().replace("class A", "class Second") + "    import models.net as net\n")
    a, b = load_class(str(first)), load_class(str(second))
    with surroundings_of(a).entered():
        import models.net

        assert models.net is b.net


def test_after_an_edit_the_modules_are_imported_anew_too(tmp_path):
    path = repository(tmp_path / "a", "A")
    assert load_class(str(path)).name == "A"
    (path.parent / "models" / "net.py").write_text("NAME = 'another'\n")
    path.write_text(path.read_text() + "# edited\n")
    assert load_class(str(path)).name == "another"


def test_an_installed_module_of_the_same_name_is_hidden_from_the_one_model_alone(tmp_path, installed):
    installed("helper_of_this_test", "NAME = 'installed'\n")
    installed("user_of_the_helper", "import helper_of_this_test\nNAME = helper_of_this_test.NAME\n")
    own = tmp_path / "own" / "own.py"
    own.parent.mkdir()
    (own.parent / "helper_of_this_test.py").write_text("NAME = 'own'\n")
    both = "import helper_of_this_test, user_of_the_helper\nfrom mae_bench import Adapter\n"
    both += "class NAME_(Adapter):\n    names = helper_of_this_test.NAME, user_of_the_helper.NAME\n"
    own.write_text(both.replace("NAME_", "Own"))
    other = tmp_path / "other.py"
    other.write_text(both.replace("NAME_", "Other"))
    for paths in ((other, own), (own, other)):
        assert load_class(f"{paths[0]}").names[0] != load_class(f"{paths[1]}").names[0]
    assert load_class(str(own)).names[0] == "own"
    assert load_class(str(other)).names == ("installed", "installed")


def test_what_an_installed_package_took_from_a_models_folder_is_not_handed_on(tmp_path, installed):
    """The model is the first to import a package that imports `helper`, and so gives it the wrong one."""
    installed("another_helper_of_this_test", "NAME = 'installed'\n")
    installed("another_user", "import another_helper_of_this_test as helper\ndef name():\n    return helper.NAME\n")
    installed("user_of_the_user", "from another_user import name\n")
    own = tmp_path / "own" / "own.py"
    own.parent.mkdir()
    (own.parent / "another_helper_of_this_test.py").write_text("NAME = 'own'\n")
    text = "import user_of_the_user\nfrom mae_bench import Adapter\n"
    text += "class NAME_(Adapter):\n    name = user_of_the_user.name()\n"
    own.write_text(text.replace("NAME_", "Own"))
    assert load_class(str(own)).name == "own"  # as for `python own.py`
    import user_of_the_user

    assert user_of_the_user.name() == "installed"


PLAIN = "from mae_bench import Adapter\nclass Plain(Adapter):\n    pass\n"


def test_what_lies_on_everybodys_path_is_everybodys(tmp_path, installed):
    installed("on_the_path_of_this_test", "")
    (tmp_path / "plain.py").write_text(f"import on_the_path_of_this_test\n{PLAIN}")
    load_class(str(tmp_path / "plain.py"))
    assert "on_the_path_of_this_test" in sys.modules


def test_an_installed_package_that_a_model_is_the_first_to_import_is_everybodys(tmp_path, installed, monkeypatch):
    """With what it brings along in a folder of its own: importing it a second time could break it."""
    installed(
        "common_of_this_test", "import sys\nsys.path.append(__file__ + '.d')\nimport brought_along_by_this_test\n"
    )
    (tmp_path / "site" / "common_of_this_test.py.d").mkdir()
    installed("common_of_this_test.py.d/brought_along_by_this_test", "")
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path / "site"))
    (tmp_path / "plain.py").write_text(f"import common_of_this_test\n{PLAIN}")
    load_class(str(tmp_path / "plain.py"))
    assert {"common_of_this_test", "brought_along_by_this_test"} <= set(sys.modules)
    assert sys.path[-1] != str(tmp_path / "site" / "common_of_this_test.py.d")


def test_a_folder_without_modules_hides_no_installed_one(tmp_path, installed):
    installed("pictures_of_this_test", "")
    import pictures_of_this_test

    (tmp_path / "own" / "pictures_of_this_test").mkdir(parents=True)
    (tmp_path / "own" / "plain.py").write_text(
        f"import pictures_of_this_test\n{PLAIN}    own = pictures_of_this_test\n"
    )
    assert load_class(str(tmp_path / "own" / "plain.py")).own is pictures_of_this_test


def test_a_models_own_file_hides_nothing_of_python_or_the_harness(tmp_path):
    for name in ("json", "torch", "random", "numpy"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('this is not the one')\n")
    (tmp_path / "plain.py").write_text(
        "import json, torch, random, numpy\nfrom mae_bench import Adapter\nclass Plain(Adapter):\n    pass\n"
    )
    assert load_class(str(tmp_path / "plain.py")).__name__ == "Plain"


@pytest.mark.parametrize("call", ["insert(0, ROOT)", "insert(1, ROOT)", "append(ROOT)", "extend([ROOT])"])
def test_what_a_file_puts_on_the_path_is_there_when_it_runs_and_only_then(tmp_path, call):
    """A file in a subfolder of its repository, as most are."""
    found = []
    for name in ("A", "B"):
        path = repository(tmp_path / name, name)
        path = path.rename(path.parent / "models" / path.name)
        root = f"import os, sys\nROOT = os.path.join(os.path.dirname(__file__), '..')\nsys.path.{call}\n"
        path.write_text(root + path.read_text())
        found.append(load_class(str(path)))
    for _ in range(2):
        assert [ask(adapter_class) for adapter_class in found] == [("late A", "A"), ("late B", "B")]
    assert not [entry for entry in sys.path if entry.startswith(str(tmp_path))]


def test_the_variables_that_a_file_sets_are_there_when_it_runs_and_only_then(tmp_path, monkeypatch):
    monkeypatch.setenv("TAKEN_AWAY", "1")
    path = tmp_path / "variables.py"
    path.write_text(
        "import os\nfrom mae_bench import Adapter\nos.environ['MINE'] = '1'\ndel os.environ['TAKEN_AWAY']\n"
        "class Variables(Adapter):\n    def late(self):\n"
        "        return os.environ.get('MINE'), os.environ.get('TAKEN_AWAY')\n"
    )
    adapter_class = load_class(str(path))
    assert (os.environ.get("MINE"), os.environ.get("TAKEN_AWAY")) == (None, "1")
    assert ask(adapter_class) == ("1", None)
    assert (os.environ.get("MINE"), os.environ.get("TAKEN_AWAY")) == (None, "1")


def test_a_file_of_the_hubs_cache_is_a_link_whose_target_has_another_name(tmp_path):
    """snapshots/REVISION/my_vae.py -> ../../blobs/HASH, and its neighbours are links as well."""
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    texts = {
        "linked.py": "import beside\nfrom mae_bench import Adapter\nclass Linked(Adapter):\n    name = beside.NAME\n",
        "beside.py": "NAME = 'beside'\n",
    }
    for number, (name, text) in enumerate(texts.items()):
        (blobs / f"{number:040}").write_text(text)
        (snapshot / name).symlink_to(Path("../../blobs") / f"{number:040}")
    adapter_class = load_class(str(snapshot / "linked.py"))
    assert adapter_class.name == "beside"
    assert len(code_hash(adapter_class)) == 64


def test_a_link_finds_what_lies_beside_its_target(tmp_path):
    target = repository(tmp_path / "a", "A")
    link = tmp_path / "links" / "a.py"
    link.parent.mkdir()
    link.symlink_to(target)
    assert ask(load_class(str(link))) == ("late A", "A")


def test_a_file_that_fails_leaves_nothing_and_is_read_again(tmp_path):
    path = repository(tmp_path / "a", "A", "import models.net\n1 / 0\n")
    for _ in range(2):
        with pytest.raises(UsageError, match=r"a\.py fails at line 2"):
            load_class(str(path))
    assert not [name for name in sys.modules if name.partition(".")[0] == "models"]
    path.write_text(MODEL.replace("NAME_", "A"))
    assert ask(load_class(str(path))) == ("late A", "A")
