"""The page of a model: the command gives the same jobs again, every seed's number is there, and where it is from."""

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from mae_bench import ENGINE_VERSION
from mae_bench.boards.aggregate import boards
from mae_bench.cli import main
from mae_bench.foundation.content import content_folder
from mae_bench.planning.task import load_task
from mae_bench.records.store import Store
from mae_bench.report.html.model_page import render_model, reproduction
from mae_bench.report.html.view import view_board
from mae_bench.review.badges import NO_BADGES

PUBLISHED = Path(__file__).resolve().parents[3] / "leaderboard" / "results"


def test_the_command_plans_the_very_jobs_whose_records_are_published():
    tasks = [load_task(path) for path in sorted(content_folder("tasks").glob("*.toml"))]
    rows = [(board, row) for board in boards(Store(PUBLISHED).records(), tasks) for row in board.rows]
    assert len(rows) >= 7
    for board, row in rows:
        command, needs = reproduction(board, row)
        program, *arguments = shlex.split(command.replace(" --device cuda", ""))  # there may be none here
        result = CliRunner().invoke(main, [*arguments, "--dry-run", "--output-dir", str(PUBLISHED)])
        assert program == "mae-bench" and needs == []
        states = [line.split()[0] for line in result.stdout.splitlines()[:-1]]
        assert states == ["done"] * len(row.seeds), result.output


@pytest.fixture
def render_first(digits_task, read_page):
    def render(records, board_task=digits_task):
        (board,) = boards(records, [board_task])
        view = view_board(board, NO_BADGES)
        page, numbers = next(iter(view.models().items()))
        return read_page(render_model(view, page, numbers, Path("results")))

    return render


def test_a_model_of_a_file_says_which_file_is_needed(make_record, digits_task):
    (board,) = boards([make_record("MyVAE", 3, params={"beta": 4.0}, source="e" * 64)], [digits_task])
    command, (sentence,) = reproduction(board, board.rows[0])
    assert shlex.split(command)[:4] == ["mae-bench", "run", "--models", "path/to/file.py[beta=4.0]"]
    assert "MyVAE does not come with mae-bench" in sentence and "e" * 64 in sentence


def test_what_a_parameter_says_stays_one_word_of_the_command(make_record, digits_task):
    record = make_record("mae", params={"diversity": "'; rm -rf ~; echo $(id) \"`"})
    (board,) = boards([record], [digits_task])
    words = shlex.split(reproduction(board, board.rows[0])[0])
    assert len(words) == 12 and words[3] == board.rows[0].label


def test_devices_and_clocks_are_told(make_record, digits_task):
    cuda = {**make_record().environment.model_dump(), "device": "NVIDIA H100"}
    cut = make_record(environment=cuda, training={"status": "partial"})
    (board,) = boards([cut], [digits_task])
    command, (sentence,) = reproduction(board, board.unranked[0])
    assert command.endswith("--seeds 0 --device cuda") and "cut short" in sentence
    both = [make_record(seed=0), make_record(seed=1, environment=cuda)]
    (board,) = boards(both, [digits_task])
    assert "--device" not in reproduction(board, board.rows[0])[0]


def test_a_machine_that_only_trained_is_told_too(make_record, digits_task, render_first):
    records = [
        make_record(seed=0, training={"machine": "torch 2.11.0 on NVIDIA H200"}),
        make_record(seed=1),
    ]
    page = render_first(records).text
    assert "cpu, after training by torch 2.11.0 on NVIDIA H200" in page


def test_what_was_trained_elsewhere_has_the_command_that_trains_and_the_one_that_scores(
    trained_elsewhere, digits_task, render_first
):
    records = [trained_elsewhere("MyVAE", seed) for seed in (0, 1)]
    (board,) = boards(records, [digits_task])
    command, _ = reproduction(board, board.unranked[0])
    training, scoring = (shlex.split(line) for line in command.splitlines())
    assert training[:8] == ["mae-bench", "run", "--models", "path/to/file.py", "--tasks", "digits", "--preset", "smoke"]
    assert training[8:10] == ["--seeds", "0,1"]
    assert scoring[:4] == ["mae-bench", "evaluate", *(f"results/digits/smoke/MyVAE/{r.trained.key}" for r in records)]
    assert scoring[4:10] == ["--tasks", "digits", "--preset", "small", "--model-file", "path/to/file.py"]
    page = render_first(records)
    facts = {row[0][0]: [cell[0] for cell in row[1:]] for row in page.rows}
    assert facts["Trained on"] == ["digits smoke"] and "scored here without training" in page.text


def test_every_seeds_value_with_its_error_and_the_mean(make_record, render_first):
    values = {0: (20.25, 0.5), 1: (20.75, 0.625)}
    records = [
        make_record(seed=s, metrics={"nll": v, "knn_100": 0.5}, not_supported={"mpd": "none"})
        for s, v in values.items()
    ]
    rows = {row[0][0].split(" ")[0]: [cell[0] for cell in row[1:]] for row in render_first(records).rows}
    assert rows["NLL"] == ["20.50 ± 0.35", "20.25 (0.50)", "20.75 (0.62)"]
    assert rows["KNN"] == ["50.0 ± 0", "50.0", "50.0"] and rows["MPDnats"] == ["–", "– none", "– none"]


def test_provenance_joins_what_all_seeds_share(make_record, render_first):
    commit = {**make_record().environment.model_dump(), "git_commit": "d" * 40, "git_dirty": True}
    records = [make_record(seed=seed, environment=commit) for seed in (0, 1)]
    page = render_first(records)
    facts = {row[0][0]: [cell[0] for cell in row[1:]] for row in page.rows}
    assert facts["Engine version"] == [str(ENGINE_VERSION)] and facts["SHA-256 of the data"] == [records[0].hashes.data]
    assert facts["SHA-256 of the record"] == [record.record_hash for record in records]
    assert facts["Git commit of mae-bench"] == [f"{'d' * 40} with uncommitted changes"]
    assert facts["Training, seconds"] == ["1.5"] and facts["Peak memory, MiB"] == ["process 300.0"]
    assert [a for a in page.links() if a.endswith(".json")] == [
        f"../../results/digits/small/mae/{record.key}.json" for record in records
    ]


@pytest.mark.parametrize(("compiled", "said"), [(True, ", compiled"), (False, "")])
def test_the_page_says_that_steps_were_compiled(make_record, render_first, compiled, said):
    record = make_record(training={"compiled": compiled})
    facts = {row[0][0]: row[1][0] for row in render_first([record]).rows if len(row) > 1}
    assert facts["Steps"] == f"{record.training.steps}{said}"


def test_runs_of_one_label_under_other_conditions_have_sections_of_their_own(make_record, render_first):
    page = render_first(
        [
            make_record(created="2025-02-01T00:00:00Z"),
            make_record(precision="float16"),
            make_record(seed=5, training={"status": "partial"}),
        ]
    )
    text = " ".join(page.text.split())
    assert page.text.count("Run it again") == 3
    assert "measured with precision float16" in text and "Seed 5: mae (seed 5)" in text
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_training_curve_is_drawn_and_written_out(make_record, render_first):
    curve = [
        {"epoch": n, "step": n, "learning_rate": 0.1, "train": {}, "validation_negative_elbo": value}
        for n, value in ((1, 30.0), (2, None), (3, 25.0))
    ]
    page = render_first([make_record(training={"curve": curve})])
    assert [[cell[0] for cell in row] for row in page.rows if row[0][0] in "123"] == [
        ["1", "30.00"],
        ["2", "–"],
        ["3", "25.00"],
    ]
    assert any(tag == "svg" and attributes.get("role") == "img" for tag, attributes in page.elements)
    assert "no training curve" in render_first([make_record()]).text
