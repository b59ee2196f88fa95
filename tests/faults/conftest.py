"""Real runs of mae-bench in processes of their own, and what an undisturbed one leaves."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from mae_bench.job.checkpoint import MODEL_FILE, TRAINING_FILE
from mae_bench.records.progress import PROGRESS_FILE, JobProgress, read_progress
from mae_bench.records.store import Store

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VARYING = {"clocks", "peak_memory_mib", "environment", "created", "record_hash"}
"""What two equal runs may differ in."""
PATIENCE = 120.0
"""Seconds that anything awaited here may take on a busy machine."""


def comparable(store: Path) -> dict[str, object]:
    """Every record of the store by its key, without what may differ."""
    return {record.key: record.model_dump(mode="json", exclude=VARYING) for record in Store(store).records()}


def wait_until(happened: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Return as soon as `happened` is true; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"it never happened that {what}"
        time.sleep(0.01)


class Run:
    """One `mae-bench run` of the model and the task of these tests."""

    def __init__(
        self,
        store: Path,
        *options: str,
        model: str = "",
        script: Sequence[str] = ("-m", "mae_bench"),
        prefix: Sequence[str] = (),
    ) -> None:
        """model: the brackets of each model, with spaces between; prefix: what starts the command."""
        self.store = store
        models = ",".join(f"{HERE / 'steady.py'}{brackets}" for brackets in model.split(" "))
        command = [*prefix, sys.executable, *script, "run", "-m", models, "-t", str(HERE / "steady.toml")]
        command += ["--preset", "smoke", "-o", str(store), "--checkpoint-minutes", "0", *options]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, status: int | None = 0, seconds: float = PATIENCE) -> str:
        """What it printed; fails unless it ends with that exit status, within so many seconds."""
        output, _ = self.process.communicate(timeout=seconds)
        assert status is None or self.process.returncode == status, output
        return output

    def wait_until(self, happened: Callable[[], object], what: str) -> None:
        """As `wait_until`, and fails if the run ends before."""

        def happened_or_ended() -> bool:
            return bool(happened()) or self.process.poll() is not None

        wait_until(happened_or_ended, what)
        assert happened(), f"the run ended before {what}: {self.finish(None)}"

    def jobs_that_are(self, stage: str) -> list[JobProgress]:
        """Those that say so: "training" or "evaluating"."""
        return [progress for _, progress in self._running() if progress.stage == stage]

    def training_jobs(self) -> list[JobProgress]:
        """The jobs that are training and have a checkpoint to go on from."""
        return [progress for folder, progress in self._running() if (folder / TRAINING_FILE).exists()]

    def sleeping_jobs(self) -> list[JobProgress]:
        """Those that have come to the step in which a model with fault=sleep stays."""
        return [progress for _, progress in self._running() if progress.done == 4]

    def evaluating_jobs(self) -> list[JobProgress]:
        """The jobs that have scored some shards, but not all ten."""
        return [
            progress
            for folder, progress in self._running()
            if (folder / MODEL_FILE).exists() and 2 <= len(list((folder / "density").glob("*.safetensors"))) <= 7
        ]

    def _running(self) -> Iterator[tuple[Path, JobProgress]]:
        for path in self.store.rglob(PROGRESS_FILE):
            progress = read_progress(path)
            if progress and progress.state == "running":
                yield path.parent, progress

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def nothing_is_half_written(store: Path) -> None:
    """Every file with a name of its own can be read whole; what a killed process left of others has a temporary one."""
    Store(store).records()
    for path in store.rglob("*.json"):
        json.loads(path.read_text())


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The records of seeds 0 and 1, of a run that nothing befell."""
    store = tmp_path_factory.mktemp("undisturbed")
    Run(store, "--seeds", "0,1").finish()
    records = comparable(store)
    assert len(records) == 2
    return records


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "results"
