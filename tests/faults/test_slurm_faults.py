"""Jobs under submitit, on this machine: preempted, out of time, cancelled; each time they go on from checkpoints."""

import os
import signal
from pathlib import Path

import pytest

from mae_bench.records.progress import PROGRESS_FILE, JobProgress, read_progress
from tests.faults.conftest import HERE, Run, comparable, wait_until

pytest.importorskip("submitit", reason="submitit is an extra")
STEPS_OF_AN_EPOCH = 10


def on_slurm(store: Path, *options: str) -> Run:
    return Run(store, "--seeds", "0,1", "--executor", "slurm", *options, script=(str(HERE / "slurm_here.py"),))


def progress_of_all(store: Path) -> dict[str, JobProgress]:
    read = (read_progress(path) for path in store.rglob(PROGRESS_FILE))
    return {progress.key: progress for progress in read if progress}


def parent(pid: int) -> int:
    """The process that submitit started, which started that of the job."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("minutes", ["240", "5"], ids=["preempted", "out of time"])
def test_a_job_that_slurm_interrupts_is_queued_again_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, object], store: Path, minutes: str
) -> None:
    """submitit takes a signal in the last ten minutes of a job's time for its end.

    It comes in the middle of an epoch: what the job resumes from is then the checkpoint of the signal.
    """
    monkeypatch.setenv("STEADY_PAUSE", "0.2")
    run = on_slurm(store, "--time-minutes", minutes, "--checkpoint-minutes", "60")
    interrupted: list[JobProgress] = []

    def in_an_epoch() -> bool:
        interrupted[:] = [job for job in run.jobs_that_are("training") if 2 <= job.done % STEPS_OF_AN_EPOCH <= 7]
        return bool(interrupted) and len(progress_of_all(store)) == 2

    run.wait_until(in_an_epoch, "a job is amid an epoch, and the other has begun")
    before = {progress.key: progress.pid for progress in progress_of_all(store).values()}
    key, pid = interrupted[0].key, interrupted[0].pid
    for process in (pid, parent(pid)):  # as Slurm does, all processes of the job
        os.kill(process, signal.SIGUSR2)

    def moved() -> list[JobProgress]:
        everything = progress_of_all(store).items()
        return [progress for key, progress in everything if progress.pid != before[key] and progress.stage]

    run.wait_until(moved, "the job is running again")
    assert moved()[0].stage == "evaluating" or moved()[0].stage_from >= interrupted[0].done, "it lost steps"
    assert "2 done, 0 cached, 0 failed" in run.finish()
    assert comparable(store) == undisturbed
    assert [progress.key for progress in moved()] == [key], "one job, and only one, was started a second time"


def test_sigterm_leaves_a_checkpoint_and_no_result(
    monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, object], store: Path
) -> None:
    """Slurm sends it before it queues a preempted job again by itself: what runs then finds no failure."""
    monkeypatch.setenv("STEADY_PAUSE", "0.1")
    run = on_slurm(store, "--checkpoint-minutes", "60")
    run.wait_until(lambda: len(run.jobs_that_are("training")) == 2, "both jobs train")
    pid = run.jobs_that_are("training")[0].pid
    above = parent(pid)
    os.kill(above, signal.SIGTERM)
    run.wait_until(lambda: any(one.state == "stopped" for one in progress_of_all(store).values()), "it stops")
    os.kill(above, signal.SIGUSR2)  # and now it is queued again
    assert "2 done, 0 cached, 0 failed" in run.finish()
    assert comparable(store) == undisturbed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_command_cancels_the_jobs(
    monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, object], store: Path, number: signal.Signals
) -> None:
    monkeypatch.setenv("STEADY_PAUSE", "0.1")
    run = on_slurm(store)
    run.wait_until(lambda: len(run.training_jobs()) == 2, "both jobs train")
    run.process.send_signal(number)
    output = run.finish(128 + number, 10)
    assert "interrupted; this resumes from the last checkpoints:\n  mae-bench run" in output
    assert "--executor slurm" in output
    wait_until(lambda: {one.state for one in progress_of_all(store).values()} == {"stopped"}, "they stop", 10)
    on_slurm(store).finish()
    assert comparable(store) == undisturbed
