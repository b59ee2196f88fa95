"""The verbs leaderboard and submit: what they select, what they refuse, what they print."""

import io
import json
import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from mae_bench.cli import main
from mae_bench.planning.registry import resolve_tasks
from mae_bench.records.store import Store

leaderboard_module = import_module("mae_bench.cli.leaderboard")


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
    assert "there is no preset 'smal'; did you mean small? Known presets: medium, paper, small, smoke." in wrong.output
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


@pytest.fixture
def board_of_two(make_record):
    store = Store(Path("leaderboard/results"))
    for seed in (0, 1):
        store.save(make_record("alpha", seed, {"nll": (20.0 + seed, 0.25), "knn_100": 0.9}, params={"eta": 0.5}))
    return ("leaderboard", "-t", "digits", "--format")


def test_the_leaderboard_is_csv_and_json_for_other_programs(board_of_two):
    frame = pd.read_csv(io.StringIO(call(*board_of_two, "csv").stdout))
    nll = frame[frame.metric == "nll"].iloc[0]
    assert (nll.model, nll.seeds, nll["mean"], nll.unit) == ("alpha[eta=0.5]", 2, 20.5, "nats")
    assert frame[frame.metric == "knn_100"]["mean"].item() == 0.9
    rows = json.loads(call(*board_of_two, "json").stdout)
    assert len(rows) == len(frame) and rows[0]["mean"] == 20.5
    assert rows[0]["bold"] is False and {row["standing"] for row in rows} == {"ranked"}


def test_the_leaderboard_is_latex_a_suite_too(board_of_two):
    assert r"alpha[eta=0.5] & 2 & 20.50 $\pm$ 0.71" in call(*board_of_two, "latex").stdout
    tables = call("leaderboard", "--layout", "paper-table4", "--format", "latex")
    assert tables.exit_code == 0 and tables.stdout.count(r"\begin{table}") >= 1


def test_the_leaderboard_is_parquet_where_pyarrow_is(board_of_two, monkeypatch):
    if find_spec("pyarrow"):
        content = call(*board_of_two, "parquet").stdout_bytes
        assert pd.read_parquet(io.BytesIO(content))["mean"].iloc[0] == 20.5
    monkeypatch.setattr(leaderboard_module, "find_spec", lambda name: None)
    result = call(*board_of_two, "parquet")
    assert result.exit_code == 2
    assert "--format parquet needs pyarrow; install mae-bench[parquet], or take csv." in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "csv", "--markdown"], "exclude each other"),
        (["--format", "csv", "--html", "site"], "exclude each other"),
        (["--format", "json", "--layout", "paper-table4"], "any --format but latex"),
    ],
)
@pytest.mark.usefixtures("board_of_two")
def test_a_format_excludes_what_prints_otherwise(options, said):
    result = call("leaderboard", *options)
    assert result.exit_code == 2 and said in result.output
