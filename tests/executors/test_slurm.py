"""The executor of a Slurm cluster, on submitit's local executor: jobs, files and signals without the queue."""

import os
import stat
import sys
from dataclasses import replace

import pytest

import mae_bench.executors.slurm as on_slurm
from mae_bench.executors import worker_process
from mae_bench.executors.evaluations import copy_weights, plan_evaluations
from mae_bench.executors.slurm import FOLDER, OnSlurm, connect
from mae_bench.foundation.errors import UsageError
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import resolve_models
from mae_bench.records.progress import PROGRESS_FILE, read_progress
from mae_bench.records.store import Store

submitit = pytest.importorskip("submitit", reason="submitit is an extra")
TOOL = """#!/bin/sh
echo "$(basename "$0") $*" >> {log}
{then}
"""


@pytest.fixture
def job(digits_task):
    [job] = plan(resolve_models("vlae"), [digits_task], "smoke", [0])
    return job


@pytest.fixture
def here(monkeypatch):
    """The executor, with this machine in place of a cluster."""
    monkeypatch.setattr(on_slurm, "CLUSTER", "local")
    return OnSlurm(submitit)


@pytest.fixture
def tools(monkeypatch, tmp_path):
    """Puts a command of Slurm's on the PATH, which logs how it is called and then runs `then`. Gives the log."""
    folder, log = tmp_path / "bin", tmp_path / "calls.txt"
    folder.mkdir()
    log.touch()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def put(name, then=""):
        path = folder / name
        path.write_text(TOOL.format(log=log, then=then))
        path.chmod(path.stat().st_mode | stat.S_IEXEC)
        return log

    return put


def outcomes(executor, jobs, store):
    """What every job came to, in the order of the jobs."""
    came = {result.job.key: result.outcome for result in executor.run(jobs, store, JobSettings(), report=None)}
    return [came[job.key] for job in jobs]


def test_without_submitit_there_is_a_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UsageError, match=r"pip install 'mae-bench\[slurm\]'"):
        connect()


def test_without_slurm_there_is_a_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="srun is not on this machine; give the command on one from which"):
        connect()


def test_a_job_writes_its_record_to_the_store(job, here, tmp_path, monkeypatch):
    """With the threads of its option; what submitit wrote is gone. Then its weights are scored in the same way."""
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    store = Store(tmp_path / "results")
    [record] = outcomes(here, [job], store)
    assert store.find(job) == record
    assert record.environment.threads == 1
    assert not list((store.root / FOLDER).iterdir())
    progress = read_progress(store.working_directory(job) / PROGRESS_FILE)
    assert (progress.state, progress.device) == ("done", "cpu")
    assert progress.pid != os.getpid()
    evaluations = plan_evaluations([store.working_directory(job)], [job.task], "small")
    target = Store(tmp_path / "scores")
    copy_weights(evaluations, target)
    [score] = outcomes(here, [evaluations[0].job], target)
    assert score.trained.key == record.key
    assert target.find(evaluations[0].job) == score


def test_a_job_that_fails_does_so_with_its_own_sentence(job, here, tmp_path, monkeypatch):
    def make_request(*arguments, **places):
        return worker_process.make_request(*arguments, **{**places, "device": "cuda:99"})

    monkeypatch.setattr(on_slurm, "make_request", make_request)
    store = Store(tmp_path / "results")
    [sentence] = outcomes(here, [job], store)
    assert "device 'cuda:99' cannot be used here" in sentence
    assert list((store.root / FOLDER).rglob("*_log.out")), "the logs stay"


def test_what_slurm_gives_up_is_a_sentence(job, here, tmp_path, monkeypatch):
    """Here the node finds another package of our name, in the folder that it starts in."""
    (tmp_path / "mae_bench.py").write_text("raise MemoryError")
    monkeypatch.chdir(tmp_path)
    [sentence] = outcomes(here, [job], Store(tmp_path / "results"))
    assert sentence.startswith("Slurm gave it up (FINISHED); its log is ")
    assert sentence.endswith("_0_log.out; run it again to resume it.")


def test_the_array_that_slurm_is_given(job, tools, tmp_path, monkeypatch):
    """One for all jobs, by the options of the command; and one command cancels it when the run ends early."""
    folder = tmp_path / "results" / FOLDER
    tools("srun")
    tools("scancel")
    tools("sacct", "exit 1")
    log = tools("sbatch", f'cp "$1" {tmp_path}/script.sh; echo "Submitted batch job 41"')
    executor = connect(
        partition="gpu", time_minutes=90, gpus=1.0, cpus=4.0, max_running=2, sbatch=["account=vision", "--qos=high"]
    )
    results = executor.run(
        [replace(job, seed=seed) for seed in range(3)], Store(tmp_path / "results"), JobSettings(), None
    )
    monkeypatch.setattr(on_slurm.time, "sleep", lambda _: results_end())

    def results_end():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        next(results)
    script = (tmp_path / "script.sh").read_text().splitlines()
    for line in (
        "--job-name=mae-bench",
        "--partition=gpu",
        "--time=90",
        "--gpus-per-node=1",
        "--cpus-per-task=4",
        "--array=0-2%2",
        "--account=vision",
        "--qos=high",
        "--requeue",
        f"--signal=USR2@{on_slurm.SECONDS_OF_WARNING}",
    ):
        assert f"#SBATCH {line}" in script
    assert [line for line in log.read_text().splitlines() if line.startswith("scancel")] == ["scancel 41"]
    assert len(list(folder.glob("*/41_*_submitted.pkl"))) == 3


def test_what_slurm_refuses_ends_the_run_before_anything_trains(job, tools, tmp_path, capfd):
    tools("srun")
    tools("sbatch", 'echo "sbatch: error: invalid partition specified: gpu" >&2; exit 1')
    with pytest.raises(
        UsageError, match=r"does not take the jobs \(FailedJobError: .*invalid partition.*correct --part"
    ):
        outcomes(connect(partition="gpu"), [job], Store(tmp_path / "results"))
    assert not list((tmp_path / "results" / FOLDER).iterdir())
    assert capfd.readouterr().err == "", "it is said once, in the sentence"


def test_no_job_is_no_array(here, tmp_path):
    assert outcomes(here, [], Store(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []
