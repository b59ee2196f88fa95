"""MLflow: a database in the store, or the server that MLFLOW_TRACKING_URI names."""

import os
import shlex
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from mae_bench.trackers import TrackedJob
from mae_bench.trackers.registry import load_package

URI_VARIABLE = "MLFLOW_TRACKING_URI"
KEY_TAG = "mae_bench.key"


class MLflow:
    """A run for each job; an experiment for each task and preset."""

    def __init__(self, folder: Path, job: TrackedJob, run: str | None) -> None:
        self._mlflow = _load()
        folder.mkdir(parents=True, exist_ok=True)
        self._client = _client(_uri(folder))
        self.run = run if run and self._is_there(run) else self._create(folder, job)
        self._client.update_run(self.run, status="RUNNING")

    @classmethod
    def look(cls, folder: Path) -> str:
        """As `Tracker.look`."""
        _load()
        return shlex.join(["mlflow", "ui", "--backend-store-uri", _uri(folder)])

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """As `Tracker.log`."""
        now = round(1000 * time.time())
        metric = self._mlflow.entities.Metric
        self._client.log_batch(self.run, metrics=[metric(name, value, now, epoch) for name, value in values.items()])

    def score(self, epoch: int, values: Mapping[str, float]) -> None:
        """As `Tracker.score`."""
        self.log(epoch, values)

    def show(self, epoch: int, name: str, picture: Path) -> None:
        """As `Tracker.show`: an artifact of the run."""
        with Image.open(picture) as opened:
            self._client.log_image(self.run, opened, artifact_file=f"{name}.png")

    def close(self, *, finished: bool) -> None:
        """As `Tracker.close`."""
        self._client.set_terminated(self.run, status="FINISHED" if finished else "KILLED")

    def _is_there(self, run: str) -> bool:
        """Whether the present server knows the run; another one may have been used before."""
        try:
            self._client.get_run(run)
        except self._mlflow.MlflowException:
            return False
        return True

    def _create(self, folder: Path, job: TrackedJob) -> str:
        name = f"mae-bench {job.group}"
        experiment = self._client.get_experiment_by_name(name)
        artifacts = None if os.environ.get(URI_VARIABLE) else (folder / "artifacts").absolute().as_uri()
        number = experiment.experiment_id if experiment else self._client.create_experiment(name, artifacts)
        run: str = self._client.create_run(number, run_name=job.name, tags={KEY_TAG: job.key}).info.run_id
        param = self._mlflow.entities.Param
        self._client.log_batch(run, params=[param(key, str(value)) for key, value in job.config.items()])
        return run


def _uri(folder: Path) -> str:
    return os.environ.get(URI_VARIABLE) or f"sqlite:///{folder.absolute() / 'mlflow.db'}"


@cache
def _client(uri: str) -> Any:
    """One for all jobs: it takes seconds to make the database."""
    return _load().MlflowClient(tracking_uri=uri)


def _load() -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # whether it is told of a run is for its user to say
    return load_package("mlflow", "mlflow")
