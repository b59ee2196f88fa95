"""The machine around a verb: what its terminal can show, where home is, how paths are written."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import mae_bench.job.execute
from mae_bench.cli import main
from mae_bench.cli.shared import GivenPath
from mae_bench.data.download import data_folder
from mae_bench.foundation.content import content_folder
from mae_bench.records.store import Store

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = str(ROOT / "leaderboard" / "results" / "digits")
MODEL = "from mae_bench import Adapter\n\nclass Mine(Adapter):\n    pass\n"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ran(monkeypatch, record_of):
    """Stands for `execute`: the jobs that would have been trained."""
    ran = []
    monkeypatch.setattr(mae_bench.job.execute, "execute", lambda job, **_: ran.append(job) or record_of(job))
    return ran


def call(*arguments, charset="utf-8"):
    return CliRunner(charset=charset).invoke(main, arguments)


def words(value):
    """The name of a case: a command's words."""
    return " ".join(value) if isinstance(value, list) else None


# -- what a terminal can show -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("charset", ["ascii", "cp1252"])
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["leaderboard", "--results", PUBLISHED], 0),
        (["leaderboard", "--results", PUBLISHED, "--markdown"], 0),
        (["leaderboard", "--results", PUBLISHED, "--layout", "paper-table4"], 0),
        (["leaderboard", "--results", PUBLISHED, "--html", "sité→"], 0),
        (["compare", PUBLISHED, PUBLISHED], 0),
        (["submit", PUBLISHED, "--to", "boardé→"], 0),
        (["status", "leer→"], 0),
        (["verify", "leer→"], 1),
        (["figures", "leer→"], 2),
        (["list", "tasks"], 0),
        (["run", "-m", "é→"], 2),
        (["run", "-m", "vlae", "--preset", "smoke", "-o", "é→"], 0),
        (["evaluate", "é→", "-t", "digits"], 2),
        (["check-model", "é→"], 2),
        (["new-model", "é→"], 2),
        (["é→"], 2),
    ],
    ids=words,
)
def test_what_a_terminal_cannot_show_is_replaced(ran, arguments, status, charset):
    Path("leer→").mkdir()
    result = call(*arguments, charset=charset)
    assert result.exit_code == status
    assert result.exception is None or isinstance(result.exception, SystemExit)
    text = (result.stdout_bytes + result.stderr_bytes).decode(charset)
    if "--html" not in arguments or charset == "ascii":
        assert "?" in text or arguments[0] == "list"


def test_the_replacement_is_in_the_encoding_that_was_asked_for():
    """In a process of its own, whose streams are those of Python; click and rich write into one of them."""
    command = [sys.executable, "-m", "mae_bench", "compare", PUBLISHED, PUBLISHED]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"NLL ?" in result.stdout and b"0 worse" in result.stdout
    result.stdout.decode("ascii")


# -- home folders -----------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path, monkeypatch, honest_record):
    """A home folder with two records and a task, away from the working directory."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    for seed in (0, 1):
        Store(folder / "results").save(honest_record(seed=seed))
    (folder / "my_vae.py").write_text(MODEL)
    (folder / "suite.toml").write_text('title = "T"\nseeds = [0]\nmodels = ["~/my_vae.py"]\ntasks = ["~/mine.toml"]\n')
    (folder / "mine.toml").write_bytes((content_folder("tasks") / "digits.toml").read_bytes())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return folder


@pytest.mark.parametrize(
    ("arguments", "written"),
    [
        (["leaderboard", "--results", "~/results"], None),
        (["leaderboard", "--results", "~/results", "--html", "~/site"], "site/index.html"),
        (["leaderboard", "--results", "~/results", "--tasks", "~/mine.toml"], None),
        (["compare", "~/results", "~/results", "--markdown", "~/t.md"], "t.md"),
        (["compare", "~/results", "~/results", "--junit", "~/j.xml"], "j.xml"),
        (["submit", "~/results", "--to", "~/board", "--tasks", "~/mine.toml"], "board/README.md"),
        (["verify", "~/results", "--tasks=~/mine.toml"], None),
        (["status", "~/results"], None),
        (["figures", "~/results", "--checkpoints", "~/results", "--only", "nll-samples", "-o", "~/f"], "f/README.md"),
        (["run", "-m", "~/my_vae.py", "-t", "~/mine.toml", "--preset", "smoke", "-o", "~/r"], "r/digits/smoke/Mine"),
        (["run", "--suite", "~/suite.toml", "--preset", "smoke", "--output-dir=~/r"], "r/digits/smoke/Mine"),
        (["leaderboard", "--results", "~/results", "--layout", "~/suite.toml"], 2),
    ],
    ids=words,
)
def test_a_tilde_is_the_home_folder(home, ran, arguments, written):
    result = call(*arguments)
    if written == 2:
        assert result.exit_code == 2 and "has no tables" in result.output
        return
    assert result.exit_code == 0, result.output
    assert written is None or (home / written).exists()
    assert list(Path().iterdir()) == []


def test_every_path_that_a_verb_takes_is_of_that_type():
    paths = [one for verb in main.commands.values() for one in verb.params if isinstance(one.type, click.Path)]
    assert len(paths) > 15
    assert all(isinstance(one.type, GivenPath) for one in paths)


def test_the_home_of_nobody_is_a_folder_that_is_not_there(monkeypatch):
    assert "'~nobody_of_that_name/x' does not exist" in call("status", "~nobody_of_that_name/x").output
    result = call("run", "-m", "~nobody_of_that_name/x.py", "-n")
    assert result.exit_code == 2 and "x.py cannot be read" in result.output
    monkeypatch.setenv("MAE_BENCH_DATA", "~nobody_of_that_name/data")
    assert data_folder() == Path("~nobody_of_that_name/data")


# -- paths with commas and brackets -----------------------------------------------------------------------------------


def test_a_path_with_commas_and_brackets_is_written_in_quotes(ran):
    folder = Path("my,models [2]")
    folder.mkdir()
    (folder / 'a[1],"b".py').write_text(MODEL)
    (folder / "t,1.toml").write_bytes((content_folder("tasks") / "digits.toml").read_bytes())
    model, task = r'"my,models [2]/a[1],\"b\".py":Mine', '"my,models [2]/t,1.toml"'
    result = call("run", "-m", f"{model},vlae", "-t", task, "--preset", "smoke")
    assert result.exit_code == 0, result.output
    assert [job.model.name for job in ran] == ["Mine", "vlae"]


@pytest.mark.parametrize(
    ("option", "given"),
    [
        ("-m", "my,models/a.py"),
        ("-m", "mae,models/a.py"),
        ("-m", "models[1]/a.py"),
        ("-m", "models[1/a.py"),
        ("-m", "models/a[beta].py"),
        ("-t", "my,tasks/a.toml"),
        ("-t", "digits,tasks/a.toml"),
        ("-t", "tasks[1/a.toml"),
    ],
)
def test_a_path_that_was_parted_is_followed_by_how_to_write_it(ran, option, given):
    result = call("run", option, given, "--preset", "smoke")
    assert result.exit_code == 2 and ran == []
    assert "in double quotes if it has a comma or a bracket" in result.output
