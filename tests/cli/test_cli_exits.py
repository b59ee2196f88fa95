"""How a verb ends that the world around it stops: a sentence or nothing, and an exit status."""

import errno
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from mae_bench.cli import main
from mae_bench.records.store import Store


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*arguments):
    return CliRunner().invoke(main, arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ["leaderboard", "--results", "results", "--html", "file/site"],
        ["compare", "results", "results", "--markdown", "file/tables.md"],
        ["compare", "results", "results", "--junit", "file/junit.xml"],
        ["submit", "results", "--to", "file/board"],
        ["submit", "results", "--to", "occupied"],
        ["figures", "results", "--only", "nll-samples", "-o", "file/figures"],
    ],
)
def test_an_output_that_cannot_be_written_is_named_in_a_sentence(honest_record, arguments):
    Store(Path("results")).save(honest_record())
    Path("file").touch()
    Path("occupied").mkdir()
    Path("occupied/results").touch()
    result = call(*arguments)
    assert result.exit_code == 2
    (sentence,) = [line for line in result.output.splitlines() if line.startswith("error: ")]
    assert re.search(r"\b(file|occupied/results)\b", sentence) and "; give another" in sentence
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 2, "a file cannot be written (No space left on device)"),
        (PermissionError(errno.EACCES, "Permission denied", "my\x1b[2J.py"), 2, r"error: my\x1b[2J.py cannot be"),
        (ConnectionError("a socket"), 1, ""),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_ends_a_verb_from_outside(monkeypatch, error, status, words):
    def fail(*_):
        raise error

    monkeypatch.setattr("mae_bench.planning.new_model.write_model", fail)
    result = call("new-model", "my_model")
    assert result.exit_code == status and words in result.output
    assert words or result.output == ""
    assert isinstance(result.exception, ConnectionError if status == 1 else SystemExit)
