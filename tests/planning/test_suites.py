"""Suites: what they expand to, what is refused, and that the paper's suites hold its tables."""

from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

import mae_bench.job.execute
from mae_bench.cli import main
from mae_bench.foundation.content import content_folder
from mae_bench.planning.suites import list_suites, load_suite, plan_suite, resolve_table
from mae_bench.records.store import Store

EXAMPLE = content_folder("docs/examples") / "my_suite.toml"
PAPER = ["paper-table1", "paper-table2", "paper-table3", "paper-table4", "paper-table5"]
VALID = 'title = "Mine"\nseeds = [0]\nmodels = ["vlae"]\ntasks = ["digits"]\n'
TABLE = '[[tables]]\ntitle = "T"\ntask = "{}"\nmetrics = ["nll"]\nrows = [{}]\n'


def written(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def call(*arguments: str):
    return CliRunner().invoke(main, arguments)


def test_a_suite_expands_to_models_times_tasks_times_seeds_and_its_tables_rows_each_once(tmp_path, monkeypatch):
    monkeypatch.chdir(EXAMPLE.parents[2])
    jobs = plan_suite(load_suite(str(EXAMPLE)), "smoke")
    labels = ["vlae[free_bits=0.0]", "vlae[free_bits=0.01]", "MyVAE[beta=1.0,latent=16]"]
    labels += ["mae[diversity=paper,eta=1.0,gamma=0.5]"]  # from the table, whose vlae is there already
    assert Counter((job.model.label, job.task.name, job.preset, job.seed) for job in jobs) == {
        (label, "digits", "smoke", seed): 1 for label in labels for seed in (0, 1)
    }
    assert {job.seed for job in plan_suite(load_suite(str(EXAMPLE)), "smoke", [7])} == {7}


def test_every_shipped_suite_can_be_planned():
    assert [listing.name for listing in list_suites()] == ["paper-figures", *PAPER]
    counts = {"paper-table1": 21, "paper-table2": 10, "paper-table3": 12, "paper-table4": 12, "paper-table5": 10}
    counts["paper-figures"] = 16
    for listing in list_suites():
        assert listing.fault is None
        jobs = plan_suite(listing.suite, "paper")
        assert len(jobs) == 5 * counts[listing.name]
        assert {job.seed for job in jobs} == set(range(5))


@pytest.mark.parametrize("name", PAPER)
def test_a_table_of_the_paper_has_every_row_and_column_that_its_task_reports_from_it(name):
    for table in load_suite(name).tables:
        task, rows = resolve_table(table)
        number = table.title.partition(":")[0].removeprefix("Table ")
        cited = [row for row in task.reported if number in _tables_cited(row.citation)]
        yardsticks = [row.model.name for row in rows if row.reported is None]
        assert yardsticks == (["chance", "raw_pixels", "pca"] if name in ("paper-table2", "paper-table5") else [])
        rows = rows[len(yardsticks) :]
        assert {row.reported.model for row in rows} == {row.model for row in cited}
        for row in rows:
            assert set(table.metrics) & set(row.reported.metrics)
            if row.model and row.model.name == "mae":
                assert row.reported.model == "MAE (η={eta}, γ={gamma})".format(**dict(row.model.params))
        # Of the others the paper quotes the NLL alone.
        own = [row.reported for row in rows if row.model and row.model.name in ("mae", "vlae", "resnet_vae")]
        assert own
        reported = {metric for metric in table.metrics if not metric.endswith("_majority")}
        assert all(reported <= set(row.metrics) for row in own)


def _tables_cited(citation: str) -> set[str]:
    """ "Ma, Zhou & Hovy (ICLR 2019), Tables 1a, 2 and 4" -> {"1a", "2", "4"}."""
    return set(citation.rpartition("Table")[2].removeprefix("s").replace(" and ", ",").replace(" ", "").split(","))


def test_tables_1_and_3_run_every_system():
    missing = {
        row.reported
        for name in ("paper-table1", "paper-table3")
        for table in load_suite(name).tables
        for row in table.rows
        if row.model is None
    }
    # "VLAE" is Chen et al.'s own figure; "VLAE with free bits" and "VLAE (re-impl)" are the row of our model.
    assert missing == {"VLAE"}


def test_the_grid_of_table_4_is_whole():
    models = {job.model.label for job in plan_suite(load_suite("paper-table4"), "paper")}
    grid = {f"mae[diversity=paper,eta={eta},gamma={gamma}]" for eta in (0.5, 1.0, 2.0) for gamma in (0.1, 0.5, 1.0)}
    assert models == grid | {"vlae[free_bits=0.0]", "vlae[free_bits=0.01]", "resnet_vae"}


def test_the_suite_of_the_figures_has_the_models_of_figure_5_and_a_pair_on_each_task():
    models = {}
    for job in plan_suite(load_suite("paper-figures"), "paper", [0]):
        models.setdefault(job.task.name, set()).add(job.model.label)
    assert models.pop("mnist") == {job.model.label for job in plan_suite(load_suite("paper-table4"), "paper")}
    best = {"omniglot": "eta=0.5,gamma=0.2", "cifar10": "eta=0.5,gamma=1.5"}
    assert models == {task: {"vlae[free_bits=0.01]", f"mae[diversity=paper,{of}]"} for task, of in best.items()}


@pytest.mark.parametrize(("task", "metric"), [("omniglot", "nll"), ("cifar10", "bits_per_dim")])
def test_the_mae_of_the_figures_is_the_best_reported_one(task, metric):
    tables = {table.task: table for table in load_suite("paper-figures").tables}
    resolved, rows = resolve_table(tables[task])
    reported = [row for row in resolved.reported if row.model.startswith("MAE")]
    best = min(reported, key=lambda row: row.metrics[metric])
    assert best in [row.reported for row in rows]


REFUSED = [
    ("paper-table9", "there is no suite 'paper-table9'; did you mean paper-table"),
    ("absent.toml", "suite file absent.toml cannot be read"),
    (VALID + "speed = 1\n", "mine.toml has a fault (speed, extra inputs"),
    (VALID.replace("[0]", "[-1]"), "mine.toml has 2 faults (seeds.0"),
    (VALID.replace("[0]", "[]"), "mine.toml has a fault (seeds"),
    ('title = "Mine"\nseeds = [0]\n', "there is no model to run"),
    (VALID.replace('tasks = ["digits"]\n', ""), "models and tasks go together"),
    (VALID + TABLE.format("digits", "{}"), "give a model, a reported row or both"),
    (VALID + TABLE.format("digits", '{ model = "mae", seed = 1 }'), "tables.0.rows.0.seed"),
    (VALID + TABLE.format("digits", '{ model = "mae" }').replace("nll", "speed"), "no metric 'speed'"),
    (VALID + TABLE.format("digits", '{ model = "mae[eta=[1.0,2.0]]" }'), "is 2 models; give each its own row"),
    (VALID + TABLE.format("digits,mnist", '{ model = "mae" }'), "names 2 tasks"),
    (VALID + TABLE.format("digits", '{ reported = "IWAE" }'), "task digits reports no row 'IWAE'"),
    (VALID + TABLE.format("mnist", '{ reported = "IWEA" }'), "task mnist reports no row 'IWEA'; did you mean IWAE"),
    (VALID.replace("vlae", "vlea"), "there is no model 'vlea'"),
]


@pytest.mark.parametrize(("suite", "fault"), REFUSED, ids=[fault for _, fault in REFUSED])
def test_a_wrong_suite_is_one_sentence_and_2(tmp_path, monkeypatch, suite, fault):
    monkeypatch.chdir(tmp_path)
    name = written(tmp_path, suite) if "\n" in suite else suite
    result = call("run", "--suite", name, "--preset", "smoke", "--dry-run")
    assert result.exit_code == 2
    assert fault in result.output
    assert result.output.startswith("error: ")
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("option", [("--models", "vlae"), ("-t", "digits")])
def test_a_suite_excludes_models_and_tasks(option):
    result = call("run", "--suite", "paper-table4", *option, "--dry-run")
    assert result.exit_code == 2
    assert result.output == "error: --suite brings its own models and tasks; leave out --models and --tasks.\n"


def test_a_suite_is_run_with_its_own_seeds_or_others(tmp_path, monkeypatch, record_of):
    monkeypatch.chdir(tmp_path)
    ran = []
    monkeypatch.setattr(mae_bench.job.execute, "execute", lambda job, **_: ran.append(job) or record_of(job))
    name = written(tmp_path, VALID.replace("[0]", "[3, 4]"))
    for options in ([], ["--seeds", "5"]):
        assert call("run", "--suite", name, "--preset", "smoke", *options).exit_code == 0
    assert [(job.model.name, job.task.name, job.preset, job.seed) for job in ran] == [
        ("vlae", "digits", "smoke", seed) for seed in (3, 4, 5)
    ]


def test_the_page_on_suites_holds_the_example():
    page = content_folder("docs/examples").parent / "suites.md"
    assert f"```toml\n{EXAMPLE.read_text(encoding='utf-8')}```" in page.read_text(encoding="utf-8")


def test_listing_suites_shows_what_they_run():
    result = call("list", "suites")
    assert result.exit_code == 0
    (line,) = (line for line in result.output.splitlines() if line.strip().startswith("paper-table4"))
    assert "vlae[free_bits=0], vlae, mae[eta=0.5,gamma=0.1]" in line
    assert "mnist" in line
    assert "0, 1, 2, 3, 4" in line


def test_the_dry_run_of_a_suite_estimates_its_time(tmp_path, monkeypatch, record_of):
    monkeypatch.chdir(tmp_path)
    jobs = plan_suite(load_suite("paper-table4"), "small")
    clocks = {"training_seconds": 3000.0, "evaluation_seconds": 600.0}
    Store(Path("results")).save(record_of(jobs[0], clocks=clocks))  # ResNet VAE, seed 0: an hour
    output = call("run", "--suite", "paper-table4", "--dry-run").output.splitlines()
    assert output[-1] == "60 jobs, of which 59 would run; nothing was trained"
    assert output[-2] == (
        "about 4 h 0 min by the records of this store and the published board; "
        "jobs without any record, 55 of 59, are not included"
    )
