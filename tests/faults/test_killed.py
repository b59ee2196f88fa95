"""SIGKILL at any moment: nothing half-written, and the same command ends in the same records."""

import os
import signal
from pathlib import Path

from mae_bench.job.checkpoint import MODEL_FILE, TRAINING_FILE
from mae_bench.records.progress import PROGRESS_FILE, read_progress
from mae_bench.records.store import Store
from tests.faults.conftest import HERE, Run, comparable, nothing_is_half_written, wait_until


def test_the_only_process_at_every_moment_of_one_job(undisturbed: dict[str, object], store: Path) -> None:
    """As it writes a checkpoint, trains, writes its weights and a shard of its NLL, evaluates, writes its record."""
    key = next(key for key, record in undisturbed.items() if record["seed"] == 0)
    for moment in (TRAINING_FILE, "training_jobs", MODEL_FILE, "000001.safetensors", "evaluating_jobs", f"{key}.json"):
        written = not moment.endswith("_jobs")
        run = Run(store, script=(str(HERE / "killed_in_write.py"), moment)) if written else Run(store)
        if not written:
            run.wait_until(getattr(run, moment), moment)
            run.kill()
        run.finish(-signal.SIGKILL)
        nothing_is_half_written(store)
        assert not (written and list(store.rglob(moment)))
        assert Store(store).records() == []
    Run(store, "--seeds", "0,1").finish()
    assert comparable(store) == undisturbed
    assert not list(store.rglob("density")), "the shards go once the record is saved"


def test_a_worker_fails_alone(undisturbed: dict[str, object], store: Path) -> None:
    run = Run(store, "--seeds", "0,1", "--jobs", "2")
    run.wait_until(run.training_jobs, "a job trains")
    os.kill(run.training_jobs()[0].pid, signal.SIGKILL)
    output = run.finish(1)
    assert "1 done, 0 cached, 1 failed" in output
    assert "its process was killed (SIGKILL), as the system does when memory runs out" in output
    assert Run(store, "--seeds", "0,1", "--jobs", "2").finish().endswith("1 done, 1 cached, 0 failed\n")
    assert comparable(store) == undisturbed


def test_workers_whose_driver_is_gone_end_with_a_checkpoint(undisturbed: dict[str, object], store: Path) -> None:
    run = Run(store, "--seeds", "0,1", "--jobs", "2")
    run.wait_until(lambda: len(run.training_jobs()) == 2, "both jobs train")
    run.kill()
    files = list(store.rglob(PROGRESS_FILE))
    wait_until(lambda: {read_progress(file).state for file in files} == {"stopped"}, "the workers stop", 10)
    Run(store, "--seeds", "0,1").finish()
    assert comparable(store) == undisturbed
