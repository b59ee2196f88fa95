"""A suite's tables: ours beside the reported rows, with the differences worked out by hand."""

import pytest
from click.testing import CliRunner

from mae_bench.cli import main
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.registry import resolve_models
from mae_bench.planning.suites import Suite
from mae_bench.planning.task import ReportedRow
from mae_bench.records.store import Store
from mae_bench.report.suite_tables import OTHER_PRESET, lay_out_suite

REPORTED = (
    ReportedRow(model="VLAE", citation="A (2019)", metrics={"nll": 21.0, "knn_100": 0.9}, spreads={"knn_100": 0.012}),
    ReportedRow(model="IWAE", citation="B (2015)", metrics={"nll": 25.0}),
)


@pytest.fixture
def suite(monkeypatch, digits_task):
    """One table on the digits, whose task here has two reported rows."""
    task = digits_task.model_copy(update={"reported": REPORTED})
    monkeypatch.setattr("mae_bench.planning.suites.resolve_tasks", lambda name: {"digits": [task]}[name])
    rows = [{"reported": "IWAE"}, {"model": "vlae", "reported": "VLAE"}, {"model": "mae"}]
    table = {"title": "Table 9", "task": "digits", "metrics": ["nll", "knn_100", "svm_rbf_all"], "rows": rows}
    return Suite.model_validate({"title": "Nine", "seeds": [0], "tables": [table]})


@pytest.fixture
def vlae_record(make_record):
    (vlae,) = resolve_models("vlae")

    def make(seed, nll, knn=0.9, **replaced):
        measured = {"nll": (nll, 0.4), "knn_100": (knn, 0.003)}
        source = {"source": vlae.code_hash, **replaced}
        return make_record("vlae", seed, measured, params=dict(vlae.params), **source)

    return make


def texts(layout):
    return [tuple(cell.text for cell in row) for row in layout.rows]


def test_ours_reported_and_the_difference_follow_each_other(suite, vlae_record):
    # NLL 20.0, 20.5, 21.0: std 0.5; sqrt(0.5² / 3 + 0.4²) = 0.493. KNN in per cent: std 1,
    # reported spread 1.2 of five runs; sqrt(1 / 3 + 0.3² + 1.2² / 5) = 0.84.
    records = [vlae_record(seed, 20.0 + 0.5 * seed, 0.90 + 0.01 * seed) for seed in range(3)]
    (layout,) = lay_out_suite(suite, records)
    assert layout.heading == "Table 9, preset small"
    assert layout.headings == ("model", "seeds", "NLL ↓", "KNN 100 ↑", "SVM RBF all ↑")
    assert texts(layout) == [
        ("IWAE [1]", "reported", "25.00", "–", "–"),
        ("vlae[free_bits=0.01]", "3", "20.50 ± 0.50", "91.0 ± 1.0", "missing"),
        ("VLAE [2]", "reported", "21.00", "90.0 ± 1.2", "–"),
        ("", "difference", "-0.50 ± 0.49", "+1.0 ± 0.8", "–"),
        ("mae[diversity=paper,eta=1.0,gamma=0.5]", "missing", "missing", "missing", "missing"),
    ]
    assert layout.notes == (
        OTHER_PRESET.format("small"),
        "vlae[free_bits=0.01]: SVM RBF all: not measured",
        "[1] B (2015)",
        "[2] A (2019)",
    )


def test_the_spread_over_label_draws_stands_apart_from_that_over_seeds(suite, vlae_record):
    def with_draws(seed, draws):
        record = vlae_record(seed, 20.0, knn=sum(draws) / 3)
        knn = record.metrics["knn_100"].model_copy(update={"draws": draws})
        return record.model_copy(update={"metrics": {**record.metrics, "knn_100": knn}})

    # Over draws: std 1 and 3 per cent, mean 2. Over seeds: means 90 and 92, std 1.4.
    (layout,) = lay_out_suite(suite, [with_draws(0, (0.89, 0.90, 0.91)), with_draws(1, (0.89, 0.92, 0.95))])
    assert texts(layout)[1] == ("vlae[free_bits=0.01]", "2", "20.00 ± 0.00", "91.0 ± 1.4", "missing")
    assert texts(layout)[2] == ("", "std over draws", "–", "2.0", "–")


def test_one_seed_has_a_difference_without_an_error(suite, vlae_record):
    (layout,) = lay_out_suite(suite, [vlae_record(0, 20.0)])
    assert texts(layout)[1][1:3] == ("1", "20.00")
    assert texts(layout)[3] == ("", "difference", "-1.00", "+0.0", "–")


def test_each_preset_with_records_has_a_table_and_one_that_is_asked_for_stands_alone(suite, vlae_record):
    records = [vlae_record(0, 20.0, preset=preset) for preset in ("paper", "smoke")]
    assert [layout.heading for layout in lay_out_suite(suite, records)] == [
        "Table 9, preset smoke",
        "Table 9, preset paper",
    ]
    (paper,) = lay_out_suite(suite, records, "paper")
    assert not any("not the paper's protocol" in note for note in paper.notes)
    (small,) = lay_out_suite(suite, records, "small")
    assert texts(small)[1] == ("vlae[free_bits=0.01]", "missing", "missing", "missing", "missing")
    with pytest.raises(UsageError, match="no preset 'huge'"):
        lay_out_suite(suite, records, "huge")


def test_without_records_the_reported_rows_stand_at_the_default_preset(suite, make_record, mnist_500_task):
    for records in ([], [make_record("vlae", of=mnist_500_task)]):
        (layout,) = lay_out_suite(suite, records)
        assert layout.heading == "Table 9, preset small"
        assert [row[1] for row in texts(layout)] == ["reported", "missing", "reported", "missing"]


def test_partial_trainings_and_records_of_another_version_are_missing(suite, vlae_record):
    cut = {"status": "partial", "reason": "stopped by --max-minutes in epoch 3"}
    (layout,) = lay_out_suite(suite, [vlae_record(0, 20.0, training=cut)])
    assert texts(layout)[1][1] == "missing"
    assert "vlae[free_bits=0.01]: partial: stopped by --max-minutes in epoch 3" in layout.notes
    (layout,) = lay_out_suite(suite, [vlae_record(0, 20.0, task={"version": 9})])
    assert texts(layout)[1][1] == "missing"


def test_a_model_that_was_trained_elsewhere_is_missing_and_says_where(suite, vlae_record, trained_elsewhere):
    trained = trained_elsewhere().trained.model_dump()
    (layout,) = lay_out_suite(suite, [vlae_record(0, 20.0, trained=trained)])
    assert texts(layout)[1][1] == "missing"
    assert any("trained elsewhere: trained on digits, task version" in note for note in layout.notes)


def test_of_two_codes_of_a_model_the_present_one_counts_and_another_is_noted(suite, vlae_record):
    old, present = vlae_record(0, 18.0, source="e" * 64), vlae_record(0, 20.0)
    (layout,) = lay_out_suite(suite, [old, present])
    assert texts(layout)[1][2] == "20.00"
    assert not any("other code" in note for note in layout.notes)
    (layout,) = lay_out_suite(suite, [old])
    assert texts(layout)[1][2] == "18.00"
    assert any(note.startswith("vlae[free_bits=0.01]: measured with other code") for note in layout.notes)


def test_a_metric_that_diverged_is_missing_with_its_reason(suite, vlae_record):
    record = vlae_record(0, 20.0)
    diverged = record.metrics["nll"].model_copy(update={"value": None, "stderr": None, "reason": "not finite"})
    (layout,) = lay_out_suite(suite, [record.model_copy(update={"metrics": {**record.metrics, "nll": diverged}})])
    assert texts(layout)[1][2] == "missing"
    assert texts(layout)[3][2] == "–"
    assert "vlae[free_bits=0.01]: NLL: seed 0: not finite" in layout.notes


def test_the_command_prints_tables_for_a_terminal_and_markdown(tmp_path, monkeypatch, vlae_record):
    monkeypatch.chdir(tmp_path)
    Store(tmp_path / "results").save(vlae_record(0, 80.0))
    arguments = ["leaderboard", "--results", "results", "--layout", "paper-table1"]
    for extra, heading in (([], "Table 1b: OMNIGLOT, preset small"), (["--markdown"], "## Table 1b: OMNIGLOT, preset")):
        result = CliRunner().invoke(main, [*arguments, *extra])
        assert result.exit_code == 0
        assert heading in result.output
        assert "89.09" in result.output
        assert "Difference: ours minus reported" in result.output
    suite = tmp_path / "bare.toml"
    suite.write_text('title = "Bare"\nseeds = [0]\nmodels = ["vlae"]\ntasks = ["digits"]\n')
    for wrong, fault in (
        (["--layout", str(suite)], "has no tables"),
        (["--layout", "paper-table1", "--tasks", "mnist"], "leave out --tasks, --html"),
        (["--layout", "paper-table1", "--html", "site"], "leave out --tasks, --html"),
    ):
        result = CliRunner().invoke(main, ["leaderboard", *wrong])
        assert result.exit_code == 2
        assert fault in result.output
