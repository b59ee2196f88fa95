"""Additions from outside: each touches what docs/architecture.md says that it touches, and nothing else.

Models, tasks, sources of images and suites are added from outside in the tests of the registry, of data and of suites.
"""

import io
from collections.abc import Callable
from dataclasses import field as dataclass_field
from dataclasses import fields, make_dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

from mae_bench.boards.aggregate import boards
from mae_bench.cli import main, shared
from mae_bench.executors import JobResult
from mae_bench.executors.run import run_jobs
from mae_bench.job import execute as execute_module
from mae_bench.job.settings import JobSettings
from mae_bench.metrics import catalogue
from mae_bench.metrics.catalogue import MetricKind
from mae_bench.metrics.outcome import Measurement, Outcome
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import resolve_models
from mae_bench.planning.task import Task
from mae_bench.records.schema import Record
from mae_bench.records.store import Store
from mae_bench.report.figures import make
from mae_bench.report.figures.drawing import Drawing
from mae_bench.report.html.pages import render_board
from mae_bench.report.html.view import view_board
from mae_bench.report.layout import lay_out
from mae_bench.report.progress import PlainDisplay
from mae_bench.review.badges import NO_BADGES
from mae_bench.review.check import check_records


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_metric_is_its_kind_and_its_measurement(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, digits_task: Task):
    """One more of posterior geometry: run, checked, shown in its decimals and its group, refused out of its range."""
    kind = MetricKind("mean_variance", "mean variance", "nats", "lower", "posterior", 4, highest=0.5)
    monkeypatch.setitem(catalogue.KINDS, kind.name, kind)
    measure, value = execute_module.evaluate_posterior, 0.25

    def with_one_more(adapter, test, settings) -> Outcome:
        outcome = measure(adapter, test, settings)
        one_more = Measurement(kind.name, value, 0.0125, settings.test_images)
        return Outcome([*outcome.measurements, one_more], outcome.not_supported)

    monkeypatch.setattr(execute_module, "evaluate_posterior", with_one_more)
    monkeypatch.chdir(tmp_path)
    run = ("run", "--models", "vlae", "--tasks", "digits", "--preset", "smoke")
    invoke(*run)
    assert "0.2500" in invoke("leaderboard", "--results", "results", "--columns", "mean_variance")
    assert invoke("verify", "results").endswith("1 good, 0 faults\n")
    [board] = boards(Store(Path("results")).records(), [digits_task])
    layout = lay_out(board)
    column = layout.headings.index("mean variance ↓")
    assert layout.rows[0][column].text == "0.2500"
    assert layout.headings[column - 1] == "active units"
    assert "Posterior geometry" in render_board(view_board(board, NO_BADGES))
    value = 0.75
    invoke(*run, "--overwrite-strategy", "always")
    [fault] = check_records([Path("results")], [digits_task]).faults
    assert "mean_variance is 0.75, outside [0, 0.5]" in fault


def test_an_executor_is_one_class(tmp_path: Path, digits_task: Task, record_of: Callable[..., Record]):
    class Backwards:
        """Runs jobs in the opposite order, and makes their records up."""

        def run(self, jobs, store, settings, report):
            for job in reversed(jobs):
                record = record_of(job)
                store.save(record)
                yield JobResult(job, record, 0.0)

    jobs = plan(resolve_models("vlae"), [digits_task], "smoke", [0, 1])
    store, display = Store(tmp_path), PlainDisplay(2, io.StringIO())
    summary = run_jobs(
        jobs, store, Backwards(), JobSettings(), overwrite="only-missing", exit_on_error=False, report=display
    )
    assert [job.seed for job, _ in summary.done] == [1, 0]
    assert [store.find(job) is not None for job in jobs] == [True, True]


def test_a_tracker_is_one_class_of_an_installed_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """It takes notes of a job's epochs, scores and pictures, which a run gives it by its name alone."""
    site = tmp_path / "site" / "diary-1.0.dist-info"
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: diary\nVersion: 1.0\n")
    (site / "entry_points.txt").write_text("[mae_bench.trackers]\ndiary = diary_module:Diary\n")
    (site.parent / "diary_module.py").write_text(DIARY)
    monkeypatch.syspath_prepend(site.parent)
    monkeypatch.chdir(tmp_path)
    command = ("run", "--models", "vlae", "--tasks", "digits", "--preset", "smoke", "--tracker", "diary")
    assert "to look at it in diary:\n  cat results/diary.txt\n" in invoke(*command)
    (record,) = Store(Path("results")).records()
    epochs, score = [f"{row.epoch} {row.train['loss']}" for row in record.training.curve], record.metrics["nll"].value
    pictures = sorted(path.name for path in Path("results").rglob("*.png"))
    assert pictures
    notes = [record.key, *epochs, f"nll {score}", *pictures, "closed True"]
    assert Path("results/diary.txt").read_text().splitlines() == notes


DIARY = """
class Diary:
    def __init__(self, folder, job, run):
        self.run, self.path = run or job.key, folder.with_suffix(".txt")
        self.write(self.run)

    @classmethod
    def look(cls, folder):
        return "cat results/diary.txt"

    def log(self, epoch, values):
        self.write(f"{epoch} {values['train/loss']}")

    def score(self, epoch, values):
        self.write(f"nll {values['score/nll']}")

    def show(self, epoch, name, picture):
        self.write(picture.name)

    def close(self, *, finished):
        self.write(f"closed {finished}")

    def write(self, line):
        with self.path.open("a") as file:
            print(line, file=file)
"""


def test_a_setting_of_jobs_is_one_field(monkeypatch: pytest.MonkeyPatch):
    """Every field has an option, a new one too, and all arrive as one object."""
    given = []

    def option_names(settings: type) -> set[str]:
        monkeypatch.setattr(shared, "JobSettings", settings)

        @click.command()
        @shared.takes_job_settings
        def verb(*, settings) -> None:
            given.append(settings)

        result = CliRunner().invoke(verb, ["--max-minutes", "2", "--compile"])
        assert result.exit_code == 0, result.output
        return {option for parameter in verb.params for option in parameter.opts}

    known = {"--max-minutes", "--checkpoint-minutes", "--compile", "--cuda-graph", "--matrix-precision"}
    assert option_names(JobSettings) == known
    assert given[-1] == JobSettings(max_minutes=2.0, compile=True)
    about = {"help": "Warm up for so long.", "above_zero": False}
    wider = make_dataclass(
        "Wider", [("warm_up", float, dataclass_field(default=0.5, metadata=about))], bases=(JobSettings,), frozen=True
    )
    assert option_names(wider) == {*known, "--warm-up"}
    assert given[-1].warm_up == 0.5
    assert {one.metadata["help"] for one in fields(JobSettings)} <= {
        parameter.help for parameter in main.commands["run"].params if isinstance(parameter, click.Option)
    }


def test_a_verb_is_one_command(monkeypatch: pytest.MonkeyPatch):
    @click.command("greet")
    def greet() -> None:
        """Say hello."""
        click.echo("hello")

    monkeypatch.setitem(main.commands, "greet", greet)
    assert invoke("greet") == "hello\n"
    assert "Say hello." in invoke("--help")


def test_a_figure_is_one_function(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, results: Store, digits_task: Task):
    def draw(board) -> Drawing:
        records = tuple(record for row in board.rows for record in row.records)
        return Drawing(Figure(), "An empty figure", "It shows nothing.", records, line_work=False)

    monkeypatch.setitem(make.FROM_RECORDS, "empty", draw)
    page = make.make_figures(
        results.records(),
        [digits_task],
        tmp_path / "figures",
        gallery_of=lambda task, preset: pytest.fail("no model is asked"),
        weights_of=lambda record: None,
        names=["empty"],
        command="mae-bench figures",
        say=lambda sentence: None,
    )
    assert "An empty figure" in page.read_text()
    assert (tmp_path / "figures" / f"digits-v{digits_task.version}-small" / "empty.png").exists()
