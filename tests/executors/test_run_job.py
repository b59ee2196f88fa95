import os

import mae_bench.job.execute
from mae_bench.executors.run_job import run_job
from mae_bench.foundation.errors import TrainingError
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import Job, ModelReference
from mae_bench.records.store import Store


def test_what_killed_processes_left_is_removed_once_it_is_old(digits_task, tmp_path, monkeypatch):
    """The temporary file of the record lies beside the working directory; shards stay where a job fails."""
    job, store = Job(ModelReference("mae", "mae", (), "a" * 64), digits_task, "smoke", 0), Store(tmp_path)
    folder = store.working_directory(job)
    left = [folder.parent / f".{job.key}.json.0.tmp", folder / ".training.safetensors.0.tmp"]
    left += [folder / "density" / ".000001.safetensors.0.tmp", folder / "model" / ".mine.py.0.tmp"]
    fresh = folder.parent / f".{job.key}.json.1.tmp"
    for path in (*left, fresh):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for path in left:
        os.utime(path, (0, 0))

    def fail(job, **settings):
        raise TrainingError("no.")

    monkeypatch.setattr(mae_bench.job.execute, "execute", fail)
    run_job(job, JobSettings(), working_directory=folder, device="cpu", place="cpu", store=store)
    assert [path for path in (*left, fresh) if path.exists()] == [fresh]
