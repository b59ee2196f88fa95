"""Real runs with a tracker: live, in every kind of process, resumed, failing; and no number moves."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import mae_bench as mb
from mae_bench.cli import main
from mae_bench.foundation.errors import UsageError
from mae_bench.records.curve import CURVE_FILE
from mae_bench.records.store import Store, json_files
from mae_bench.trackers import follower_process
from mae_bench.trackers.follower_process import tell_trackers

ROOT = Path(__file__).resolve().parents[2]
STEADY = ROOT / "tests" / "faults" / "steady"
"""A small model of the default loop, and a task that is scored in no time."""
VARYING = {"clocks", "peak_memory_mib", "environment", "created", "record_hash"}
"""What two equal runs may differ in."""
OWN_FIT = '''
import torch
from mae_bench import Adapter, ImportanceTerms

class Counting(Adapter):
    """Trains by a loop of its own, which reports."""

    def __init__(self, data, preset):
        super().__init__(data, preset)
        self.register_buffer("logits", torch.zeros(data.dimensions))

    def fit(self, train, validation, context):
        for epoch in range(1, 4):
            for x in context.loader(train):
                self.logits.add_(x.flatten(1).mean(0) - self.logits.sigmoid())
            context.report(epoch=epoch, train={"loss": 9.0 / epoch, "kl": 0.5}, validation=8.0, learning_rate=0.1)

    def importance_terms(self, x, samples):
        bits = torch.distributions.Bernoulli(logits=self.logits).log_prob(x.flatten(1)).sum(1, keepdim=True)
        exact = bits.expand(-1, samples)
        return ImportanceTerms(exact, torch.zeros_like(exact), torch.zeros_like(exact))
'''


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("STEADY_PAUSE", "0")


def run(store, *options, models=f"{STEADY}.py,own.py"):
    Path("own.py").write_text(OWN_FIT)
    command = ["run", "-m", models, "-t", f"{STEADY}.toml", "--preset", "smoke", "-o", store, *options]
    return CliRunner().invoke(main, command)


def content(store):
    return {record.key: record.model_dump(mode="json", exclude=VARYING) for record in Store(Path(store)).records()}


@pytest.fixture(scope="module")
def untold(tmp_path_factory):
    """The records of the same jobs without a tracker."""
    folder = tmp_path_factory.mktemp("untold")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.setenv("STEADY_PAUSE", "0")
        assert run("without").exit_code == 0
    return content(folder / "without")


@pytest.mark.parametrize("options", [(), ("--jobs", "2")])
def test_a_tracker_is_told_of_all_and_moves_no_number(notes, untold, options):
    """A default loop and a `fit` of a model's own, here and in processes, against the same without a tracker."""
    with_it = run("with", *options, "--tracker", "notes")
    assert with_it.exit_code == 0, with_it.output
    assert content("with") == untold
    assert f"to look at it in notes:\n  cat {Path('with').absolute()}/notes/notes.txt\n" in with_it.stdout
    assert "what a tracker prints" not in with_it.output
    records = Store(Path("with")).records()
    assert len(records) == 2
    for record in records:
        of_job = [line for line in notes("with") if line["key"] == record.key]
        assert len({line["run"] for line in of_job}) == 1
        logged = {line["epoch"]: line["values"] for line in of_job if line["what"] == "log"}
        assert list(logged) == [row.epoch for row in record.training.curve]
        for row in record.training.curve:
            assert logged[row.epoch].items() >= {f"train/{name}": value for name, value in row.train.items()}.items()
            assert logged[row.epoch]["learning_rate"] == row.learning_rate
        (scored,) = [line for line in of_job if line["what"] == "score"]
        for name, metric in record.all_metrics.items():
            assert scored["values"].get(f"score/{name}") == metric.value
        assert of_job[-1] == {**of_job[-1], "what": "close", "finished": True}
    assert {path.parent for path in json_files(Path("with"))} == {
        Store(Path("with")).path_of(record).parent for record in records
    }
    assert not list(Path("with").glob(f"**/{CURVE_FILE}"))  # the records have the curves


def test_pictures_beside_a_finished_record_are_shown_when_the_command_is_given_again(notes):
    assert run("results", models="own.py").exit_code == 0
    (record,) = Store(Path("results")).records()
    picture = Store(Path("results")).path_of(record).with_suffix(".samples.png")
    picture.write_bytes(b"whatever")
    assert run("results", "--tracker", "notes", models="own.py").exit_code == 0
    assert [line["what"] for line in notes("results")] == ["begin", "log", "log", "log", "score", "show", "close"]
    assert notes("results", "show")[0] == {**notes("results", "show")[0], "name": "samples", "size": 8, "epoch": 3}


def start(store: str) -> subprocess.Popen:
    command = ["run", "-m", f"{STEADY}.py", "-t", f"{STEADY}.toml", "--preset", "smoke", "-o", store]
    command += ["--checkpoint-minutes", "0", "--tracker", "notes"]
    path = os.pathsep.join([str(ROOT), *sys.path])
    return subprocess.Popen(
        [sys.executable, "-m", "mae_bench", *command],
        env={**os.environ, "PYTHONPATH": path, "STEADY_PAUSE": "0.05"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for(happened, what: str) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline, f"it never happened that {what}"
        time.sleep(0.05)


def test_epochs_are_told_while_the_job_trains_and_a_stopped_job_goes_on_in_its_run(notes):
    for number in (signal.SIGINT, signal.SIGKILL):
        told = len(notes("results", "log"))
        process = start("results")
        wait_for(lambda: len(notes("results", "log")) > told, "another epoch is told")  # noqa: B023
        assert not Store(Path("results")).records()
        process.send_signal(number)
        assert process.wait(30) in (-signal.SIGKILL, 130)
        ends = notes("results", "begin")
        wait_for(lambda: len(notes("results", "close")) == len(ends), "the process ends by itself")  # noqa: B023
    assert start("results").wait(120) == 0
    (record,) = Store(Path("results")).records()
    assert [line["epoch"] for line in notes("results", "log")] == list(range(1, record.training.epochs + 1))
    assert [line["going_on"] for line in notes("results", "begin")] == [False, True, True]
    assert [line["finished"] for line in notes("results", "close")] == [False, False, True]
    assert len({line["run"] for line in notes("results")}) == 1
    assert len(notes("results", "score")) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("log", "the tracker notes stopped (OSError: [Errno 28] No space left on device); the same command tells it"),
        ("exit", "the tracker notes stopped (SystemExit: 3); the same command tells it"),
        ("die", "the process of the trackers ended with status 4"),
    ],
)
def test_a_tracker_that_fails_is_said_in_a_sentence_and_no_job_fails(notes, monkeypatch, fault, said):
    monkeypatch.setenv("NOTES_FAULT", fault)
    result = run("results", "--tracker", "notes", models="own.py")
    assert result.exit_code == 0
    assert result.stderr.count("warning: ") == 1
    assert f"warning: {said}" in result.stderr
    assert result.stdout.endswith("1 done, 0 cached, 0 failed\n")
    monkeypatch.delenv("NOTES_FAULT")
    assert run("results", "--tracker", "notes", models="own.py").exit_code == 0
    assert [line["epoch"] for line in notes("results", "log")] == [1, 2, 3]
    assert len(notes("results", "score")) == 1


def test_a_tracker_that_hangs_is_stopped_after_the_run(notes, monkeypatch):
    monkeypatch.setenv("NOTES_FAULT", "hang")
    monkeypatch.setattr(follower_process, "SECONDS_TO_END", 2.0)
    result = run("results", "--tracker", "notes", models="own.py")
    assert result.exit_code == 0
    assert "warning: the trackers took more than 2 seconds after the run and were stopped" in result.stderr


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_what_is_wrong_with_a_tracker_is_said_before_anything_trains(notes, monkeypatch, dry):
    unknown = run("results", "--tracker", "tensorbord", *dry)
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "there is no tracker 'tensorbord'; did you mean tensorboard?" in unknown.stderr
    monkeypatch.setenv("NOTES_FAULT", "look")
    unusable = run("results", "--tracker", "notes", *dry)
    assert (unusable.exit_code, unusable.stdout) == (2, "")
    assert unusable.stderr.endswith(
        "error: the tracker notes cannot be used (RuntimeError: no pencil); leave it out.\n"
    )
    assert not Path("results").exists()


def test_a_missing_package_is_said_before_anything_trains(install):
    """As where MLflow is not installed: its name is one that Python does not find."""
    site = install("without_mlflow", "", sitecustomize="import sys; sys.modules.update(mlflow=None)")
    Path("own.py").write_text(OWN_FIT)
    result = subprocess.run(
        [sys.executable, "-m", "mae_bench", "run", "-m", "own.py", "-t", "digits", "--tracker", "mlflow"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2, result.stderr
    assert "error: the tracker mlflow needs its package" in result.stderr
    assert result.stderr.endswith("install it with pip install 'mae-bench[mlflow]'.\n")
    assert not Path("results").exists()


def test_a_dry_run_tells_nothing(notes):
    result = run("results", "--tracker", "notes", "--dry-run")
    assert result.exit_code == 0
    assert notes("results") == []
    assert not Path("results").exists()


def test_in_python_too(notes, monkeypatch):
    Path("own.py").write_text(OWN_FIT)
    results = mb.run("own.py", "digits", preset="smoke", progress=False, tracker="notes")
    assert len(results.records) == 1
    assert [line["epoch"] for line in notes("results", "log")] == [1, 2, 3]
    monkeypatch.setenv("NOTES_FAULT", "log")
    with pytest.warns(UserWarning, match="the tracker notes stopped"):
        mb.run("own.py", "digits", preset="smoke", progress=False, tracker=["notes"], overwrite="always")
    with pytest.raises(UsageError, match="no tracker 'none'"):
        mb.run("own.py", "digits", tracker="none")


def test_without_a_tracker_no_process_is_started(monkeypatch, tmp_path):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process"))
    with tell_trackers([], Store(tmp_path), []) as tracking:
        pass
    assert (tracking.commands, tracking.warnings) == ({}, [])


def test_its_process_loads_no_torch(notes, tmp_path, digits_task):
    code = "import sys, mae_bench.trackers.follower, mae_bench.trackers.tensorboard, mae_bench.trackers.mlflow, "
    code += "mae_bench.trackers.wandb; print([m for m in ('torch', 'sklearn', 'mlflow', 'wandb') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
