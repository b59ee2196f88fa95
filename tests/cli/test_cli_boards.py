"""The verbs leaderboard and submit: what they select, what they refuse, what they print."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from mae_bench.cli import main
from mae_bench.planning.registry import resolve_tasks
from mae_bench.records.store import Store


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*arguments):
    return CliRunner().invoke(main, arguments)


def test_the_leaderboard_shows_reported_rows_where_nothing_ran():
    result = call("leaderboard")
    assert result.exit_code == 0
    assert "no record under leaderboard/results" in result.output
    assert "reported" in result.output


@pytest.mark.parametrize("option", [[], ["--markdown"], ["--html", "site"]])
def test_the_leaderboard_shows_no_board_for_a_preset_or_a_folder_that_is_not_there(make_record, option):
    Store(Path("leaderboard/results")).save(make_record(preset="small"))
    wrong = call("leaderboard", "--preset", "smal", *option)
    assert wrong.exit_code == 2
    assert "there is no preset 'smal'; did you mean small? Known presets: paper, medium, small, smoke." in wrong.output
    absent = call("leaderboard", "--results", "results", *option)
    assert absent.exit_code == 2 and "does not exist" in absent.output
    assert not Path("site").exists()


def test_a_preset_of_an_unknown_task_can_be_asked_for(make_record, digits_task):
    task = digits_task.model_copy(update={"name": "mine", "presets": {"tiny": digits_task.presets["smoke"]}})
    Store(Path("leaderboard/results")).save(make_record(of=task, preset="tiny"))
    result = call("leaderboard", "--preset", "tiny")
    assert result.exit_code == 0 and "mine, preset tiny" in result.output


@pytest.mark.parametrize(("preset", "said"), [("smoke", False), ("paper", False), ("small", True)])
def test_a_task_that_was_measured_at_another_preset_is_not_said_to_be_without_records(make_record, preset, said):
    mnist = resolve_tasks("mnist")[0]
    Store(Path("leaderboard/results")).save(make_record(of=mnist, preset="smoke"))
    output = call("leaderboard", "--preset", preset, "-t", "mnist,omniglot").output
    assert ("mnist, preset smoke" in output) == (preset == "smoke")
    assert "mnist, preset small" not in output
    assert ("omniglot, preset small" in output and "No model has been measured here yet" in output) == said


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], {"alpha", "beta", "gamma"}),
        (["-t", "digits"], {"alpha", "beta"}),
        (["--preset", "smoke"], {"beta", "gamma"}),
        (["-t", "digits", "--preset", "smoke"], {"beta"}),
    ],
)
@pytest.mark.parametrize("markdown", [[], ["--markdown"]])
def test_the_leaderboard_selects_by_task_and_preset(make_record, options, shown, markdown):
    store = Store(Path("leaderboard/results"))
    store.save(make_record("alpha", preset="small"))
    store.save(make_record("beta", preset="smoke"))
    store.save(make_record("gamma", preset="smoke", of=resolve_tasks("mnist")[0]))
    output = call("leaderboard", *options, *markdown).output
    assert {name for name in ("alpha", "beta", "gamma") if re.search(rf"^[| ]+{name} ", output, re.MULTILINE)} == shown
    assert ("## digits" in output or "## mnist" in output) == bool(markdown)


def test_the_leaderboard_writes_a_site_of_what_it_selects(make_record):
    store = Store(Path("leaderboard/results"))
    store.save(make_record("alpha", preset="small"))
    store.save(make_record("beta", preset="smoke"))
    assert call("leaderboard", "-t", "digits", "--preset", "smoke", "--html", "site").output == "site/index.html\n"
    assert [path.parent.name for path in Path("site").glob("site/*/index.html")] == ["digits-v2-smoke"]
    assert len(list(Path("site").glob("site/digits-v2-smoke/beta-*.html"))) == 1
    both = call("leaderboard", "--html", "site", "--markdown")
    assert both.exit_code == 2 and "exclude each other" in both.output
    Path("mine").mkdir()
    Path("mine/index.html").write_text("mine")
    refused = call("leaderboard", "--html", "mine")
    assert refused.exit_code == 2 and "give another folder" in refused.output


def test_submission_adds_good_records_and_refuses_others(tmp_path, honest_record):
    good = Store(Path("results")).save(honest_record("mae", preset="smoke"))
    bad = tmp_path / "bad.json"
    bad.write_text(good.read_text().replace('"seed": 0', '"seed": 1'))
    refused = call("submit", str(good), str(bad), "--to", "board")
    assert refused.exit_code == 1
    assert "refused: record bad.json" in refused.output
    assert not (tmp_path / "board" / "results").exists()
    added = call("submit", "results", "--to", "board")
    assert added.exit_code == 0
    assert "digits, preset smoke" in added.output
    assert f"added board/{good}" in added.output.splitlines()
    assert "mae" in (tmp_path / "board" / "README.md").read_text()
    assert call("submit", "absent.json").exit_code == 2
