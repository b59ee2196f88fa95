"""SIGTERM and Ctrl-C: a checkpoint, an end within ten seconds, and a word about how to go on."""

import signal
import time
from pathlib import Path

import pytest

from mae_bench.job.checkpoint import TRAINING_FILE
from tests.faults.conftest import Run, comparable, wait_until

HOURLY = ("--checkpoint-minutes", "60")
"""So that the checkpoint that is found is the one of the signal."""


def test_one_signal_stops_cleanly(undisturbed: dict[str, object], store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One after another in one store: each run goes on from where the one before was stopped."""
    monkeypatch.setenv("STEADY_PAUSE", "0.1")  # so that a stage lasts longer than a heartbeat
    for number, moment, jobs in (
        (signal.SIGTERM, "training", "1"),
        (signal.SIGINT, "training", "2"),
        (signal.SIGINT, "evaluating", ""),
        (signal.SIGTERM, "training", ""),
    ):
        run = Run(store, "--seeds", "0,1", *HOURLY, *(["--jobs", jobs] if jobs else []))
        run.wait_until(lambda run=run, moment=moment: run.jobs_that_are(moment), moment)
        sent = time.time()
        run.process.send_signal(number)
        output = run.finish(128 + number, 10)
        assert "interrupted; this resumes from the last checkpoints:\n  mae-bench run" in output
        if moment == "training":
            assert any(path.stat().st_mtime > sent for path in store.rglob(TRAINING_FILE)), "no checkpoint was written"
    monkeypatch.delenv("STEADY_PAUSE")
    Run(store, "--seeds", "0,1").finish()
    assert comparable(store) == undisturbed


def test_a_second_ctrl_c_stops_at_once(store: Path) -> None:
    for name, options in (("here", ()), ("worker", ("--jobs", "1"))):
        run = Run(store / name, *options, model="[fault=sleep]")
        run.wait_until(run.sleeping_jobs, "it trains")
        pid = run.sleeping_jobs()[0].pid
        run.process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert run.process.poll() is None, "the first one waits for the step to end"
        run.process.send_signal(signal.SIGINT)
        run.finish(130, 2)
        wait_until(lambda pid=pid: not alive(pid), "the job's process is gone", 2)


def test_a_step_that_does_not_end_is_given_up_within_ten_seconds(store: Path) -> None:
    run = Run(store, model="[fault=sleep]")
    run.wait_until(run.sleeping_jobs, "it trains")
    run.process.send_signal(signal.SIGTERM)
    run.finish(143, 10)


def alive(pid: int) -> bool:
    """Whether there is such a process that has not ended; one whose parent is gone may wait to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
