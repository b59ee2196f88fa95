import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import mae_bench.job.execute
from mae_bench import __version__
from mae_bench.cli import main
from mae_bench.cli.running import command_to_resume
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import TrainingError
from mae_bench.planning.plan import Job, plan
from mae_bench.planning.registry import resolve_models, resolve_tasks
from mae_bench.planning.task import DEFAULT_PRESET
from mae_bench.records.store import Store

HEAVY = ("torch", "pandas", "sklearn", "scipy", "numpy", "pydantic", "rich", "pooch")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*arguments):
    return CliRunner().invoke(main, arguments)


def start_python(*arguments):
    environment = {**os.environ, "PYTHONPATH": str(content_folder("tasks").parent), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def execution(monkeypatch, record_of):
    """Stands for `execute`; a model whose name is in `faults` fails with that exception."""

    class Execution:
        def __init__(self):
            self.ran, self.faults, self.status = [], {}, "complete"

        def __call__(self, job, **_settings):
            self.ran.append(job)
            if job.model.name in self.faults:
                raise self.faults[job.model.name]
            return record_of(job, self.status)

    execution = Execution()
    monkeypatch.setattr(mae_bench.job.execute, "execute", execution)
    return execution


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments):
    script = (
        "import sys; from mae_bench.cli import main\n"
        f"main({arguments!r}, prog_name='mae-bench', standalone_mode=False)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert start_python("-c", script).stdout.splitlines()[-1] == "[]"


def test_help_names_every_verb_and_the_strategies():
    verbs = ["run", "evaluate", "status", "list", "check-model", "new-model", "check-task", "new-task"]
    verbs += ["leaderboard", "submit", "verify", "compare", "figures"]
    assert re.findall(r"^  ([a-z][a-z-]+)  ", call("--help").output, re.MULTILINE) == verbs
    output = " ".join(call("run", "--help").output.split())
    for said in (
        "only-missing: run what has no complete record",
        "always: run everything anew",
        "never: keep every record",
    ):
        assert said in output
    assert call("--version").output == f"mae-bench, version {__version__}\n"


def test_the_preset_is_the_default_of_the_tasks():
    (preset,) = (option for option in main.commands["run"].params if option.name == "preset")
    assert preset.default == DEFAULT_PRESET


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["-m", "mea"], "there is no model 'mea'; did you mean mae"),
        (["-m", "mae[eta=-1]"], "cannot be built"),
        (["-m", "nowhere.py"], "nowhere.py cannot be read"),
        (["-t", "digit"], "there is no task 'digit'; did you mean digits"),
        (["--preset", "huge"], "no preset 'huge'; choose one of"),
        (["--device", "gpu"], "device 'gpu' cannot be used here"),
        (["-o", "file"], "file"),
        (["--seeds", "1-"], "is not a list of seeds"),
        (["--seeds=-1"], "is not a list of seeds"),
        (["--seeds", "3-1"], "is not a list of seeds"),
        (["--seeds", "0,x"], "is not a list of seeds"),
        (["--seeds", "9223372036854775808"], "is not a list of seeds from 0 to 9223372036854775807"),
        (["--seeds", f"0-{10**18}9"], "is not a list of seeds"),
        (["--seeds", "9" * 5000], "is not a list of seeds"),
        (["--overwrite-strategy", "sometimes"], "only-missing"),
        (["--max-minutes", "0"], "max-minutes"),
        (["--timeout", "0"], "timeout"),
        (["--jobs", "0"], "jobs"),
        (["--jobs", "2", "--device", "cpu,gpu"], "device 'gpu' cannot be used here"),
        (["--device", "cpu,cuda:99"], "device 'cuda:99' cannot be used here"),
        (["--cpus-per-job", "2"], "--cpus-per-job is for --executor ray or slurm, and this is --executor local"),
        (["--executor", "ray", "--jobs", "2"], "--jobs is for --executor local, and this is --executor ray"),
        (["--executor", "ray", "--device", "cpu"], "--device is for --executor local, and this is --executor ray"),
        (
            ["--executor", "ray", "--partition", "gpu"],
            "--partition is for --executor slurm, and this is --executor ray",
        ),
        (["--executor", "slurm", "--address", "a:1"], "--address is for --executor ray, and this is --executor slurm"),
        (["--sbatch", "account=vision"], "--sbatch is for --executor slurm, and this is --executor local"),
        (["--executor", "slurm", "--gpus-per-job", "0.5"], "--gpus-per-job is 0.5, and Slurm shares out whole ones"),
        (["--executor", "slurm", "--sbatch", "account"], "--sbatch is 'account', which is no NAME=VALUE"),
        (["--executor", "slurm", "--time-minutes", "4"], "time-minutes"),
        (["--no-such-option"], "no-such-option"),
    ],
)
def test_a_wrong_argument_ends_with_a_sentence_and_2_before_anything_trains(tmp_path, execution, arguments, fault):
    (tmp_path / "file").touch()
    result = call("run", "-m", "vlae", "--preset", "smoke", *arguments)
    assert result.exit_code == 2
    assert fault in result.output
    assert "Traceback" not in result.output
    assert execution.ran == []
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("text", "seeds"), [("0", [0]), ("0,1,2", [0, 1, 2]), ("0-2", [0, 1, 2]), ("7,0-1, 7", [7, 0, 1])]
)
def test_seeds_are_numbers_and_ranges(execution, text, seeds):
    assert call("run", "-m", "vlae", "--preset", "smoke", "--seeds", text).exit_code == 0
    assert [job.seed for job in execution.ran] == seeds


def test_a_run_ends_with_the_board_and_the_counts(execution):
    result = call("run", "-m", "mae,vlae", "--preset", "smoke")
    assert result.exit_code == 0
    assert "digits, preset smoke" in result.output
    assert result.output.splitlines()[-1] == "2 done, 0 cached, 0 failed"
    again = call("run", "-m", "mae,vlae,resnet_vae", "--preset", "smoke")
    assert again.output.splitlines()[-1] == "1 done, 2 cached, 0 failed"
    assert [job.model.name for job in execution.ran] == ["mae", "vlae", "resnet_vae"]


def test_the_board_of_a_run_holds_its_tasks_and_preset_alone(execution, make_record):
    Store(Path("results")).save(make_record("other", of=resolve_tasks("mnist")[0], preset="smoke"))
    Store(Path("results")).save(make_record("other", preset="small"))
    Store(Path("results")).save(make_record("neighbour", preset="smoke"))
    output = call("run", "-m", "vlae", "--preset", "smoke").output
    assert "neighbour" in output
    assert "other" not in output


def test_a_failed_job_is_named_with_the_command_that_retries(execution):
    execution.faults["vlae"] = TrainingError("the loss is not a number; lower the rate.")
    arguments = ["run", "-m", "mae[eta=[0.5,1.0]],vlae", "--preset", "smoke", "-o", "my results"]
    result = call(*arguments)
    assert result.exit_code == 1
    *_, failed, counts, _, retry = result.output.splitlines()
    assert failed == "failed: digits smoke vlae[free_bits=0.01] seed 0: the loss is not a number; lower the rate."
    assert counts == "2 done, 0 cached, 1 failed"
    assert shlex.split(retry) == ["mae-bench", *arguments]
    execution.faults.clear()
    again = call(*shlex.split(retry)[1:])
    assert (again.exit_code, again.output.splitlines()[-1]) == (0, "1 done, 2 cached, 0 failed")


def test_a_record_that_is_doubted_is_named_at_once(execution, record_of, monkeypatch):
    """One that breaks a law; and one beyond all that was published, on a task that says how far that is."""
    monkeypatch.setattr(
        mae_bench.job.execute,
        "execute",
        lambda job, **_: record_of(job, broken_laws=("its KL is negative",) if job.seed else ()),
    )
    task = Path("digits.toml")
    text = (content_folder("tasks") / "digits.toml").read_text()
    task.write_text(f'{text}\n[plausible.nll]\nbest = 25.0\nmargin = 0.5\ncitation = "Somebody (2020)"\n')
    result = call("run", "-m", "vlae", "-t", str(task), "--preset", "smoke", "--seeds", "0,1")
    assert result.exit_code == 0
    *_, implausible, broken, counts = result.output.splitlines()
    assert "vlae[free_bits=0.01] seed 0: its NLL of 20.00 beats the best" in implausible
    assert "vlae[free_bits=0.01] seed 1: its KL is negative; its record is shown and not ranked." in broken
    assert counts == "2 done, 0 cached, 0 failed"


@pytest.mark.parametrize(("strategy", "retries"), [("only-missing", True), ("never", False)])
def test_a_partial_record_is_no_failure_but_can_be_gone_on_with(execution, strategy, retries):
    execution.status = "partial"
    result = call("run", "-m", "vlae", "--preset", "smoke", "--max-minutes", "1", "--overwrite-strategy", strategy)
    assert result.exit_code == 0
    assert "1 done, 0 cached, 0 failed" in result.output
    assert ("mae-bench run -m vlae" in result.output) == retries


def test_an_interrupted_run_says_how_to_go_on(execution):
    execution.faults["vlae"] = KeyboardInterrupt()
    result = call("run", "-m", "mae,vlae", "--preset", "smoke")
    assert result.exit_code == 130
    assert result.output.endswith("  mae-bench run -m mae,vlae --preset smoke\n")


def test_an_interrupted_or_failed_run_of_everything_anew_goes_on_without_beginning_anew(execution, record_of):
    """What it had finished is found, and what it had not come to is run, though it has a record of before."""
    jobs = plan(resolve_models("mae,vlae,resnet_vae"), resolve_tasks("digits"), "smoke", [0])
    store = Store(Path("results"))
    for job in jobs:
        store.save(record_of(job))
    for fault, status in ((KeyboardInterrupt(), 130), (TrainingError("no."), 1)):
        execution.faults["vlae"] = fault
        arguments = ["run", "-m", "mae,vlae,resnet_vae", "--overwrite-strategy", "always", "--preset", "smoke"]
        result = call(*arguments, "--exit-on-error")
        assert result.exit_code == status
        assert len(store.records()) == 3, "boards keep the old records meanwhile"
        command = "mae-bench run -m mae,vlae,resnet_vae --preset smoke --exit-on-error"
        assert result.output.endswith(f"  {command}\n")
        execution.faults.clear()
        execution.ran.clear()
        dry = call(*shlex.split(command)[1:], "--dry-run").output
        assert dry.splitlines()[-1] == "3 jobs, of which 2 would run; nothing was trained"
        again = call(*shlex.split(command)[1:]).output
        assert again.splitlines()[-1] == "2 done, 1 cached, 0 failed"
        assert [job.model.name for job in execution.ran] == ["vlae", "resnet_vae"]
        assert call(*shlex.split(command)[1:]).output.splitlines()[-1] == "0 done, 3 cached, 0 failed"


@pytest.mark.parametrize(
    ("given", "strategy", "printed"),
    [
        (["-m", "vlae", "--overwrite-strategy=always", "-j", "2"], "always", ["-m", "vlae", "-j", "2"]),
        (["--overwrite-strategy", "never", "--overwrite-strategy", "always"], "always", []),
        (["--overwrite-strategy", "never", "-j", "2"], "never", ["--overwrite-strategy", "never", "-j", "2"]),
    ],
)
def test_the_command_to_resume(given, strategy, printed):
    assert command_to_resume(["run", *given], strategy) == shlex.join(["mae-bench", "run", *printed])


def test_exit_on_error_stops(execution):
    execution.faults["mae"] = TrainingError("no.")
    assert call("run", "-m", "mae,vlae", "--preset", "smoke", "--exit-on-error").exit_code == 1
    assert len(execution.ran) == 1


def test_a_broken_record_of_another_run_hides_no_counts(tmp_path, execution):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "broken.json").write_text('{"metrics": {}}')
    result = call("run", "-m", "vlae", "--preset", "smoke")
    assert result.exit_code == 1
    assert "1 done, 0 cached, 0 failed" in result.output
    assert "error: record broken.json" in result.output


def test_a_dry_run_shows_the_matrix_and_trains_nothing(tmp_path, execution, record_of):
    jobs = plan(resolve_models("mae,vlae"), resolve_tasks("digits"), "smoke", [0, 1])
    Store(tmp_path / "results").save(record_of(jobs[0]))
    Store(tmp_path / "results").save(record_of(jobs[1], "partial"))
    for strategy, would_run in (("only-missing", 3), ("always", 4), ("never", 2)):
        result = call(
            "run", "-m", "mae,vlae", "--preset", "smoke", "--seeds", "0-1", "-n", "--overwrite-strategy", strategy
        )
        assert result.exit_code == 0
        states = ["done", "partial", "missing", "missing"]
        expected = [f"{state:8}{job.title}" for state, job in zip(states, jobs, strict=True)]
        *matrix, estimate, counts = result.output.splitlines()
        assert matrix == expected
        assert estimate.startswith("about 4 s by" if strategy == "always" else "about 2 s by")
        assert counts == f"4 jobs, of which {would_run} would run; nothing was trained"
    assert execution.ran == []


def test_lists_show_models_with_defaults_and_tasks_with_presets():
    models, tasks = call("list", "models").output, call("list", "tasks").output
    assert "mae[diversity=paper,eta=1.0,gamma=0.5]" in models
    assert "built in, baselines/vlae.py" in models
    assert "digits" in tasks
    assert "mnist" in tasks
    assert "paper-table4" in call("list", "suites").output
    assert call("list", "records").exit_code == 2


def test_a_failed_run_does_not_say_that_nothing_was_measured_at_other_presets(execution, make_record):
    reported = '\n[[reported]]\nmodel = "A"\ncitation = "B"\nmetrics = { nll = 1.0 }\n'
    Path("mine.toml").write_text((content_folder("tasks") / "digits.toml").read_text() + reported)
    Store(Path("results")).save(make_record("alpha", preset="small"))
    execution.faults["vlae"] = TrainingError("no.")
    result = call("run", "-m", "vlae", "-t", "mine.toml", "--preset", "smoke")
    assert result.exit_code == 1 and "failed: digits smoke vlae" in result.output
    assert "No model has been measured" not in result.output and "alpha" not in result.output


def test_a_model_of_a_users_file_is_run(tmp_path, execution):
    (tmp_path / "my_vae.py").write_text("from mae_bench import Adapter\n\nclass Mine(Adapter):\n    pass\n")
    assert call("run", "-m", "my_vae.py", "--preset", "smoke").exit_code == 0
    assert (tmp_path / "results" / "digits" / "smoke" / "Mine").is_dir()
    assert isinstance(execution.ran[0], Job)


def test_the_real_command_trains_scores_and_prints_plain_lines(tmp_path):
    command = ["-m", "mae_bench", "run", "-m", "vlae", "-t", "digits", "--preset", "smoke"]
    result = start_python(*command)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == "1 done, 0 cached, 0 failed"
    assert "[1/1] digits smoke vlae[free_bits=0.01] seed 0: done in" in result.stderr
    assert "\x1b" not in result.stdout + result.stderr
    (record,) = Store(tmp_path / "results").records()
    assert record.metrics["nll"].value > 0
    assert call(*command[2:]).output.splitlines()[-1] == "0 done, 1 cached, 0 failed"
    assert call("submit", "results").exit_code == 0
