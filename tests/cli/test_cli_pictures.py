"""Pictures from the command line: left by a run, put on a board, and drawn again from checkpoints."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from mae_bench.cli import main

MODEL = Path(__file__).parents[1] / "adapters" / "pictured.py"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*arguments):
    return CliRunner().invoke(main, arguments)


def pictures(folder):
    return {path.name: path.read_bytes() for path in Path(folder).rglob("*.png")}


def test_pictures_from_a_run_to_a_board_and_from_a_checkpoint_to_the_board():
    models = f"{MODEL},{MODEL}[mood=raises]"
    job = ("--models", models, "--tasks", "digits", "--preset", "smoke", "--seeds", "0")
    assert call("run", *job).exit_code == 0
    left = pictures("results")
    assert len(left) == 3
    submitted = call("submit", "results", "--to", "board")
    assert submitted.exit_code == 0 and pictures("board/results") == left == pictures("board/site")

    for path in [*Path("results").rglob("*.png"), *Path("board/results").rglob("*.png")]:
        path.unlink()
    assert "0 done, 2 cached" in call("run", *job).output, "a record needs no pictures"
    assert not pictures("results")
    assert call("submit", "board/results", "--to", "board").exit_code == 0 and not pictures("board")

    checkpoints = ("--checkpoints", "results", "--model-file", str(MODEL))
    drawn = call("figures", "board/results", "--pictures", *checkpoints)
    assert drawn.exit_code == 0 and pictures("board/results") == left, "the same checkpoints give the same bytes"
    assert "3 pictures drawn for 2 records that had none" in drawn.output
    assert "seed 0: samples: it does not answer (ValueError" in drawn.output
    assert not Path("figures").exists()
    again = call("figures", "board/results", "--pictures", *checkpoints)
    assert "0 pictures drawn for 0 records that had none" in again.output
    assert call("submit", "board/results", "--to", "board").exit_code == 0 and pictures("board/site") == left


def test_what_cannot_be_drawn_again_is_said(make_record):
    from mae_bench.records.store import Store

    Store(Path("results")).save(make_record())
    result = call("figures", "results", "--pictures")
    assert result.exit_code == 0 and "it has no checkpoint; name the store" in result.output
    below = call("figures", "results/digits", "--pictures")
    assert below.exit_code == 0 and "give the store's own folder" in below.output and not pictures("results")
    both = call("figures", "results", "--pictures", "--only", "samples")
    assert both.exit_code == 2 and "--pictures draws no figure" in both.output
