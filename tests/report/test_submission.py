"""What `submit` prints: the boards that the submission joined, its badges, and commands that git understands."""

import io
import shlex

import pytest

from mae_bench.content import content_folder
from mae_bench.records.store import Store
from mae_bench.records.submit import render_board_folder
from mae_bench.records.verification import BADGES, compare_with_rerun, write_verification
from mae_bench.report.submission import WEIGHTS, print_submission
from mae_bench.sources import file_hash

BUILT_IN = file_hash(content_folder("baselines") / "mae.py")


@pytest.fixture
def board(tmp_path, honest_record, digits_task):
    """A board with three rows, and `add(*records)`, which puts records there and gives what is printed then."""
    folder = tmp_path / "board"

    def add(*records):
        copied = [Store(folder / "results").save(record) for record in records]
        out = io.StringIO()
        print_submission(copied, render_board_folder(folder, [digits_task]), out)
        return out.getvalue()

    add(honest_record("mae", source=BUILT_IN), honest_record("vlae"), honest_record("vlae", preset="smoke"))
    return add


def test_the_boards_that_the_records_joined_are_shown_and_no_other(board, honest_record):
    text = board(honest_record("newcomer", nll=19.0))
    assert text.startswith("digits, preset small\n") and "preset smoke" not in text
    assert [line.split()[0] for line in text.splitlines() if line.startswith((" newcomer", " mae", " vlae"))] == [
        "newcomer",
        "mae",
        "vlae",
    ]


def test_a_submitted_row_has_its_badge_and_others_are_not_explained(board, honest_record):
    text = board(honest_record("newcomer"), honest_record("newcomer", seed=1))
    assert f"newcomer: submitted. {BADGES['submitted']}\n" in text
    assert "vlae: submitted" not in text and text.count("added ") == 2
    assert "Not checked:" in text


def test_a_record_that_is_verified_on_the_board_stays_so(board, honest_record, digits_task, tmp_path):
    record = honest_record("mae", source=BUILT_IN)
    path = Store(tmp_path / "board" / "results").path_of(record)
    again = compare_with_rerun(record, record, "trained anew", digits_task)
    write_verification(path, again)
    assert f"mae: verified. {BADGES['verified']}\n" in board(record)


def test_the_code_of_a_model_that_is_not_built_in_is_asked_for(board, honest_record, tmp_path):
    text = board(honest_record("newcomer"), honest_record("mae", seed=1, source=BUILT_IN))
    assert "The code of newcomer is not built in." in text and str(tmp_path / "board" / "adapters") in text
    assert "not built in. Reviewers" not in board(honest_record("mae", seed=2, source=BUILT_IN))


def test_the_weights_of_models_that_were_trained_elsewhere_are_asked_for(board, honest_record, trained_elsewhere):
    assert WEIGHTS in board(trained_elsewhere("mae", source=BUILT_IN))
    assert WEIGHTS not in board(honest_record("mae", seed=1, source=BUILT_IN))


def test_the_commands(board, honest_record, tmp_path):
    text = board(honest_record("newcomer"))
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith(("  git", "  mae-bench"))]
    assert commands == [
        ["git", "switch", "--create", "submit-digits-small-newcomer"],
        ["git", "add", str(tmp_path / "board")],
        ["git", "commit", "--message", "Submit digits small newcomer"],
        ["git", "push", "--set-upstream", "origin", "submit-digits-small-newcomer"],
        ["mae-bench", "verify", str(tmp_path / "board" / "results" / "digits" / "small" / "newcomer"), "--rerun"],
    ]
