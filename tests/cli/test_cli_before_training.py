"""What is found before anything trains, by a dry run too: threads, devices, data. And how a failure is said."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import mae_bench.data.mnist
import mae_bench.job.execute
from mae_bench.cli import main
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import DataError
from mae_bench.planning.registry import resolve_tasks
from mae_bench.records.store import Store

SOURCE = "def load():\n    raise ValueError('no such disk')\n"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ran(monkeypatch, record_of):
    """Stands for `execute`: the jobs that would have been trained."""
    ran = []
    monkeypatch.setattr(mae_bench.job.execute, "execute", lambda job, **_: ran.append(job) or record_of(job))
    return ran


def call(*arguments):
    return CliRunner().invoke(main, arguments)


def words(value):
    """The name of a case: a command's words."""
    return " ".join(value) if isinstance(value, list) else None


def mine(source: str = "digits", name: str = "mine", sha256: str = "0" * 64) -> str:
    """The path of a task that is like digits, on another source."""
    text = (content_folder("tasks") / "digits.toml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("sha256")]
    text = "\n".join(lines).replace('name = "digits"', f'name = "{name}"', 1)
    text = text.replace('source = "digits"', f'source = "{source}"\nsha256 = "{sha256}"', 1)
    Path(f"{name}.toml").write_text(text, encoding="utf-8")
    return f"{name}.toml"


# -- variables and devices --------------------------------------------------------------------------------------------

GARBAGE = ["abc", "0", "-1", "2.5", "4,", "4,0", "4;2", "9" * 30]


@pytest.mark.parametrize("threads", GARBAGE)
@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "-m", "vlae", "--preset", "smoke"],
        ["run", "-m", "vlae", "--preset", "smoke", "-n"],
        ["run", "-m", "vlae", "--preset", "smoke", "-j", "2"],
        ["evaluate", "results", "-t", "digits"],
        ["check-model", "vlae"],
    ],
    ids=words,
)
def test_a_number_of_threads_that_is_none_is_a_sentence(ran, monkeypatch, threads, arguments):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    result = call(*arguments)
    assert result.exit_code == 2 and ran == []
    assert result.output.startswith(f"error: OMP_NUM_THREADS is {threads!r}, which is no number of threads; set it to")


@pytest.mark.parametrize("threads", ["1", " 2 ", "4,2", ""])
def test_what_openmp_can_read_runs(ran, monkeypatch, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    assert call("run", "-m", "vlae", "--preset", "smoke").exit_code == 0
    assert len(ran) == 1


@pytest.mark.parametrize("options", [[], ["-n"], ["-j", "2"], ["-n", "-j", "2"]], ids=words)
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--device", "cuda:99"], "device 'cuda:99' cannot be used here"),
        (["--device", "gpu"], "device 'gpu' cannot be used here"),
        (["--cpus-per-job", "2"], "--cpus-per-job is for --executor ray or slurm"),
        (["-o", "file/results"], "records cannot be written to"),
    ],
    ids=words,
)
def test_what_is_not_there_ends_a_dry_run_as_it_ends_the_run(ran, options, wrong, said):
    Path("file").touch()
    result = call("run", "-m", "vlae", "--preset", "smoke", *wrong, *options)
    assert result.exit_code == 2 and ran == []
    assert said in result.output
    assert [path.name for path in Path().iterdir()] == ["file"]


def test_a_dry_run_starts_no_cluster(monkeypatch):
    monkeypatch.setattr("mae_bench.executors.ray.connect", lambda *_: pytest.fail("connected"))
    monkeypatch.setattr("mae_bench.executors.ray.load_ray", lambda: None)
    arguments = ["run", "-m", "vlae", "--preset", "smoke", "--executor", "ray", "-n"]
    assert call(*arguments).exit_code == 0
    assert call(*arguments, "--jobs", "2").exit_code == 2
    monkeypatch.setattr("mae_bench.executors.slurm.connect", lambda **_: pytest.fail("connected"))
    monkeypatch.setitem(sys.modules, "submitit", SimpleNamespace())
    assert call(*arguments, "--executor", "slurm", "--partition", "gpu").exit_code == 0
    assert call(*arguments, "--executor", "slurm", "--sbatch", "account").exit_code == 2


# -- data -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["-n"]], ids=words)
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("digitz", "there is no data source 'digitz'"),
        ("no_such_module:load", "data source 'no_such_module:load' cannot be loaded"),
        ("digits", "are not those that task mine declares"),
    ],
)
def test_data_that_cannot_be_loaded_end_the_run_before_anything_trains(ran, source, said, options):
    result = call("run", "-m", "vlae", "-t", mine(source), "--preset", "smoke", "--seeds", "0,1", *options)
    assert result.exit_code == 2 and ran == []
    (sentence,) = [line for line in result.output.splitlines() if "error: " in line]
    assert said in sentence
    assert result.output.count(said) == 1
    assert "would run" not in result.output and "There is no record here" not in result.output


@pytest.mark.parametrize("options", [[], ["-n"]], ids=words)
def test_every_task_whose_data_cannot_be_loaded_is_named(ran, options):
    tasks = f"{mine('digits', 'mine')},{mine('digits', 'other')}"
    result = call("run", "-m", "vlae", "-t", tasks, "--preset", "smoke", *options)
    assert result.exit_code == 2 and ran == []
    errors = [line for line in result.output.splitlines() if line.startswith("error: ")]
    assert ["task mine" in errors[0], "task other" in errors[1], len(errors)] == [True, True, 2]


def test_where_some_data_can_be_loaded_the_other_jobs_fail_alone(ran):
    arguments = ["run", "-m", "vlae", "-t", f"{mine()},digits", "--preset", "smoke"]
    dry = call(*arguments, "-n")
    assert dry.exit_code == 1 and ran == []
    assert "would fail: mine smoke vlae[free_bits=0.01] seed 0: the data of source 'digits'" in dry.output
    assert dry.output.splitlines()[-1] == "2 jobs, of which 1 would run; nothing was trained"
    result = call(*arguments)
    assert result.exit_code == 1 and [job.task.name for job in ran] == ["digits"]
    assert result.output.count("are not those that task mine declares") == 1
    assert "mine, preset smoke" not in result.output and "digits, preset smoke" in result.output


def test_a_source_of_somebody_elses_is_named_with_its_line_and_not_called_by_a_dry_run(ran, monkeypatch, tmp_path):
    Path("my_source.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    arguments = ["run", "-m", "vlae", "-t", mine("my_source:load"), "--preset", "smoke"]
    assert call(*arguments, "-n").exit_code == 0
    result = call(*arguments)
    assert result.exit_code == 2 and ran == []
    sentence = "data source 'my_source:load' fails (ValueError at line 2 of my_source.py: no such disk); correct it"
    assert sentence in result.output


def test_a_dry_run_downloads_nothing_and_refuses_what_lies_in_the_place_of_the_data(monkeypatch, tmp_path):
    monkeypatch.setenv("MAE_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("pooch.retrieve", lambda *_, **__: pytest.fail("downloaded"))
    dry = call("run", "-m", "vlae", "-t", "mnist,omniglot,omniglot_lake", "--preset", "smoke", "-n")
    assert dry.exit_code == 0 and dry.output.splitlines()[-1] == "3 jobs, of which 3 would run; nothing was trained"
    assert not (tmp_path / "data").exists()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / mae_bench.data.mnist.PREPARED).write_bytes(b"not an archive")
    wrong = call("run", "-m", "vlae", "-t", "mnist", "--preset", "smoke", "-n")
    assert wrong.exit_code == 2 and "is not a usable copy of MNIST" in wrong.output


def test_the_data_of_what_has_a_record_are_not_looked_at(ran, record_of, monkeypatch):
    assert call("run", "-m", "vlae", "--preset", "smoke").exit_code == 0

    def fail(_task):
        raise DataError("looked at; no.")

    monkeypatch.setattr("mae_bench.data.look_at", fail)
    assert call("run", "-m", "vlae", "--preset", "smoke", "-n").exit_code == 0
    assert call("run", "-m", "vlae", "--preset", "smoke", "-n", "--overwrite-strategy", "always").exit_code == 2


# -- failures ---------------------------------------------------------------------------------------------------------


def test_a_failure_is_said_once_and_without_the_board_that_it_did_not_join(ran, monkeypatch, make_record, record_of):
    def execute(job, **_):
        if job.model.name == "vlae":
            raise ValueError("shapes differ")
        return record_of(job)

    monkeypatch.setattr(mae_bench.job.execute, "execute", execute)
    for others in ((), (make_record("neighbour", preset="smoke"),)):
        for record in others:
            Store(Path("results")).save(record)
        result = call("run", "-m", "vlae", "--preset", "smoke")
        assert result.exit_code == 1
        assert result.output.count("shapes differ") == 1
        for board in ("There is no record here", "digits, preset smoke", "Mean ± standard deviation", "neighbour"):
            assert board not in result.output
    Store(Path("results")).save(make_record("elsewhere", of=resolve_tasks("mnist")[0], preset="smoke"))
    both = call("run", "-m", "vlae,mae", "--preset", "smoke")
    assert both.output.count("shapes differ") == 1 and "digits, preset smoke" in both.output


def test_an_interrupted_run_says_what_had_failed(monkeypatch):
    def execute(job, **_):
        raise KeyboardInterrupt if job.seed else ValueError("shapes differ")

    monkeypatch.setattr(mae_bench.job.execute, "execute", execute)
    result = call("run", "-m", "vlae", "--preset", "smoke", "--seeds", "0,1")
    assert result.exit_code == 130 and result.output.count("shapes differ") == 1


FAILING = """
import math
from mae_bench import Adapter


class Failing(Adapter):
    def fit(self, train, validation, context):
        helper()


def helper():
    math.sqrt(-1)
"""


def test_the_line_of_a_users_own_file_is_named():
    Path("failing.py").write_text(FAILING)
    result = call("run", "-m", "failing.py", "--preset", "smoke")
    assert result.exit_code == 1
    assert result.output.count("ValueError at line 12 of failing.py: ") == 1, result.output
