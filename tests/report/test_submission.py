"""Submission: good records are copied and the pages rendered, one bad one and nothing changes; and what is printed."""

import io
import json
import shlex

import numpy as np
import pytest

import mae_bench.review.check
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import RecordError, UsageError
from mae_bench.planning.adapter_code import code_hash_of_file
from mae_bench.records.pictures import draw_sheet, picture_path, replace_pictures
from mae_bench.records.schema import seal
from mae_bench.records.store import Store
from mae_bench.report.submission import WEIGHTS, print_submission, render_board_folder, submit
from mae_bench.review.verification import BADGES, compare_with_rerun, write_verification

BUILT_IN = code_hash_of_file(content_folder("baselines") / "mae.py")
OTHER = "f" * 64


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_good_records_are_copied_and_the_page_rendered(results, digits_task, tmp_path):
    board = tmp_path / "board"
    result = submit([results.root], board, [digits_task])
    assert result.refused == ()
    assert [path.relative_to(board / "results") for path in result.copied] == [
        path.relative_to(results.root) for path in sorted(results.root.rglob("mae/*.json"))
    ]
    assert Store(board / "results").records() == results.records()
    page = (board / "README.md").read_text(encoding="utf-8")
    assert page.startswith("# Leaderboard\n") and "20.50 ± 0.71" in page
    assert not (board / "results" / "state.json").exists()


def test_a_second_submission_joins_the_first(results, honest_record, digits_task, tmp_path):
    board = tmp_path / "board"
    submit([results.root], board, [digits_task])
    more = Store(tmp_path / "more").save(honest_record("vlae", nll=30.0))
    assert submit([more], board, [digits_task]).refused == ()
    page = (board / "README.md").read_text(encoding="utf-8")
    assert "| mae" in page and "| vlae" in page
    before = contents(board)
    assert submit([results.root, more], board, [digits_task]).refused == ()
    assert contents(board) == before


def test_the_board_is_checked_once_and_shown_as_it_was(results, digits_task, tmp_path, monkeypatch):
    board, checked = tmp_path / "board", []
    judge = mae_bench.review.check.impossible_values
    monkeypatch.setattr(
        mae_bench.review.check,
        "impossible_values",
        lambda record, task: [checked.append(record), *judge(record, task)][1:],
    )
    result = submit([results.root], board, [digits_task])
    print_submission(result.copied, result.board, io.StringIO())
    assert len(checked) == 2 * len(result.copied) == 4  # as they were submitted, and for the badges of the board
    assert result.board.badges.checked == {record.record_hash for record in Store(board / "results").records()}


def test_one_bad_record_stops_all(results, digits_task, tmp_path):
    board = tmp_path / "board"
    submit([results.root], board, [digits_task])
    before = contents(board)
    bad = sorted(results.root.rglob("mae/*.json"))[1]
    bad.write_text(bad.read_text(encoding="utf-8").replace("300.0", "301.0"), encoding="utf-8")
    (results.root / "cut.json").write_text('{"metrics":')
    result = submit([results.root], board, [digits_task])
    assert result.copied == {} and len(result.refused) == 2
    assert any(bad.name in sentence for sentence in result.refused)
    assert any("cut.json" in sentence for sentence in result.refused)
    assert contents(board) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task": {"name": "other"}}, "known task: digits (paper, medium, small, smoke)"),
        ({"task": {"version": 1}}, "version 1 of task digits, which is now at version 2"),
        ({"preset": "huge"}, "preset huge"),
        ({"engine_version": 0}, "engine version 0"),
        ({"hashes": {"data": OTHER}}, "other data"),
        ({"hashes": {"protocol": OTHER}}, "another protocol"),
        ({"protocol": {}}, "another protocol"),
        ({"key": OTHER}, "does not match its contents"),
        ({"precision": "float16"}, "in float16, not 2 in float32"),
        ({"hashes": {"adapter_source": OTHER}}, "does not match its contents"),
    ],
)
def test_a_well_formed_record_that_does_not_belong(make_record, digits_task, tmp_path, change, words):
    record = make_record()
    content = record.model_dump() | {
        name: getattr(record, name).model_dump() | value if name in ("task", "hashes") else value
        for name, value in change.items()
    }
    path = Store(tmp_path / "results").save(seal(content))
    (refused,) = submit([path], tmp_path / "board", [digits_task]).refused
    assert words in refused and path.name in refused and refused.endswith(".")
    assert not (tmp_path / "board").exists()


def test_a_file_is_named_after_its_key(results, digits_task, tmp_path):
    path = next(results.root.rglob("mae/*.json"))
    renamed = path.rename(tmp_path / "mine.json")
    (refused,) = submit([renamed], tmp_path / "board", [digits_task]).refused
    assert "mine.json is not named after its key" in refused and path.name in refused


def test_two_records_of_one_job_must_agree(results, honest_record, digits_task, tmp_path):
    again = Store(tmp_path / "again").save(honest_record(seed=0, nll=30.0))
    (refused,) = submit([results.root, again], tmp_path / "board", [digits_task]).refused
    assert "twice with different contents" in refused


def test_a_record_with_an_impossible_number_is_refused(honest_record, digits_task, tmp_path):
    content = honest_record().model_dump()
    content["metrics"]["knn_all"]["value"] = 1.2
    path = Store(tmp_path / "results").save(seal(content))
    (refused,) = submit([path], tmp_path / "board", [digits_task]).refused
    assert path.name in refused and "knn_all is 1.2" in refused
    assert not (tmp_path / "board").exists()


def test_a_run_on_the_board_is_not_joined_by_another_version_of_its_adapter(honest_record, digits_task, tmp_path):
    board = tmp_path / "board"
    first = Store(tmp_path / "first").save(honest_record())
    second = Store(tmp_path / "second").save(honest_record(source=OTHER))
    assert submit([first], board, [digits_task]).refused == ()
    assert submit([first], board, [digits_task]).refused == ()
    before = contents(board)
    (refused,) = submit([second], board, [digits_task]).refused
    assert first.name in refused and second.name in refused and "different adapter files" in refused
    assert contents(board) == before


def test_paths_without_a_record(digits_task, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "state.json").write_text("{}")
    paths = [tmp_path / "empty", tmp_path / "gone.json", tmp_path / "state.json"]
    empty, gone, state = submit(paths, tmp_path / "board", [digits_task]).refused
    assert "holds no record" in empty and "cannot be read" in gone and "not a record" in state


def test_no_name_leads_out_of_the_board(results, digits_task, tmp_path):
    path = next(results.root.rglob("mae/*.json"))
    content = json.loads(path.read_text(encoding="utf-8"))
    content["model"]["name"] = "../../../escaped"
    path.write_text(json.dumps(content), encoding="utf-8")
    (refused,) = submit([path], tmp_path / "board", [digits_task]).refused
    assert "model.name" in refused


def test_a_broken_board_is_named_before_anything_changes(results, digits_task, tmp_path):
    board = tmp_path / "board"
    (board / "results").mkdir(parents=True)
    (board / "results" / "broken.json").write_text("{")
    before = contents(board)
    with pytest.raises(RecordError, match=r"broken\.json"):
        submit([results.root], board, [digits_task])
    assert contents(board) == before


@pytest.mark.parametrize("name", ["README.md", "index.html", "site", "site/files.txt", "site/assets/board.js"])
def test_a_strangers_file_is_neither_overwritten_nor_half_a_submission_left(results, digits_task, tmp_path, name):
    board = tmp_path / "board"
    (board / name).parent.mkdir(parents=True)
    (board / name).write_text("# My thesis\n\nfive years of notes\n")
    before = contents(board)
    with pytest.raises(UsageError, match=f"{name} is there already and was not written by mae-bench"):
        submit([results.root], board, [digits_task])
    with pytest.raises(UsageError, match=f"{name} is there already"):
        render_board_folder(board, [digits_task])
    assert contents(board) == before


def test_a_page_of_the_new_records_alone_can_be_in_the_way(results, honest_record, digits_task, tmp_path):
    board = tmp_path / "board"
    submit([results.root], board, [digits_task])
    (board / "site" / "digits-v2-smoke").write_text("mine")
    before = contents(board)
    more = Store(tmp_path / "more").save(honest_record(preset="smoke"))
    with pytest.raises(UsageError, match="digits-v2-smoke is there already"):
        submit([more], board, [digits_task])
    assert contents(board) == before


def test_a_partial_record_never_replaces_a_complete_one(honest_record, digits_task, tmp_path):
    board = tmp_path / "board"
    partial = {"status": "partial", "reason": "cut short after 0.01 minutes of training", "steps": 15}
    whole, cut = honest_record(), honest_record(nll=21.0, training=partial)
    assert whole.key == cut.key
    first, second = Store(tmp_path / "first").save(cut), Store(tmp_path / "second").save(whole)
    for path in (first, second, second):
        assert submit([path], board, [digits_task]).refused == ()
    before = contents(board)
    (refused,) = submit([first], board, [digits_task]).refused
    assert first.name in refused and "is partial and would replace a complete record of its job on the board" in refused
    assert contents(board) == before and Store(board / "results").records() == [whole]


def test_a_board_without_records_can_be_rendered(digits_task, tmp_path):
    rendered = render_board_folder(tmp_path / "board", [digits_task])
    assert rendered.boards == () and rendered.folder == tmp_path / "board"
    assert "no record" in (tmp_path / "board" / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def board(tmp_path, honest_record, digits_task):
    """A board with three rows, and `add(*records)`, which puts records there and gives what is printed then."""
    folder = tmp_path / "board"

    def add(*records):
        copied = {Store(folder / "results").save(record): record for record in records}
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


@pytest.fixture
def with_pictures(results):
    """The first of the two records, which has a picture in grey and one that is none."""
    file = min(results.root.rglob("mae/*.json"))
    drawn = draw_sheet([np.zeros((2, 1, 8, 8), dtype=np.uint8)])
    replace_pictures(file, {"samples": drawn + b"<script>", "reconstructions": b"<script>"})
    return file, drawn


def test_pictures_are_copied_as_pixels_alone(with_pictures, results, digits_task, tmp_path):
    file, drawn = with_pictures
    result = submit([results.root], tmp_path / "board", [digits_task])
    (sentence,) = result.left_out
    assert sentence.startswith(f"picture {file.stem}.reconstructions.png is left out (it cannot be read")
    copied = {path.name: path.read_bytes() for path in (tmp_path / "board").rglob("*.png") if "results" in path.parts}
    assert copied[f"{file.stem}.samples.png"] == drawn and f"{file.stem}.reconstructions.png" not in copied
    assert not any(b"<script>" in path.read_bytes() for path in (tmp_path / "board").rglob("*.png"))


def test_pictures_stay_with_the_very_record_that_they_are_of(
    with_pictures, results, honest_record, digits_task, tmp_path
):
    board, (file, _) = tmp_path / "board", with_pictures
    submit([results.root], board, [digits_task])
    before = contents(board)
    submit([board / "results"], board, [digits_task])
    assert contents(board) == before, "a board may be submitted to itself"
    replace_pictures(file, {})
    submit([results.root], board, [digits_task])
    assert contents(board) == before, "the same record without its pictures takes none away"
    (record,) = [record for record in results.records() if record.key == file.stem]
    results.save(honest_record(seed=record.seed, nll=21.5))
    submit([results.root], board, [digits_task])
    assert not list(board.rglob("*.png")), "those of another record are not shown beside this one"


def test_a_picture_that_was_put_on_the_board_by_hand_is_not_shown_as_it_is(with_pictures, digits_task, tmp_path):
    file, drawn = with_pictures
    board = tmp_path / "board"
    (path,) = submit([file], board, [digits_task]).copied
    picture_path(path, "samples").write_bytes(drawn + b"<script>")
    render_board_folder(board, [digits_task])
    (shown,) = (board / "site").rglob("*.png")
    assert shown.read_bytes() == drawn
    listing = board / "site" / "files.txt"
    listing.write_text("".join(line for line in listing.read_text().splitlines(True) if ".png" not in line))
    with pytest.raises(UsageError, match=r"samples\.png is there already and was not written by mae-bench"):
        render_board_folder(board, [digits_task])
