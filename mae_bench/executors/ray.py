"""The executor of a Ray cluster. Ray places the jobs, shares out GPUs, and starts a job again whose node is gone.

A Ray task hands its job to a separate process, as a slot of this machine does (`executors.worker_process`): a job
that takes its process with it fails alone, and the process is kept for the next job that Ray gives to the same worker.
"""

import importlib
import os
import re
import shutil
import signal
import socket
import uuid
from base64 import b64decode
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from mae_bench.executors import JobResult
from mae_bench.executors.display import RunDisplay
from mae_bench.executors.worker_process import WorkerProcess, make_request
from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.errors import MaeBenchError, UsageError, describe
from mae_bench.foundation.interruption import GRACE_SECONDS
from mae_bench.job.checkpoint import MODEL_FILE
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import Job
from mae_bench.records.pictures import replace_pictures
from mae_bench.records.schema import Record
from mae_bench.records.store import Store

RESTARTS = 5
"""How often Ray restarts a job whose node or Ray worker is gone. One that fails or dies by itself is not restarted."""
SECONDS_TO_ANSWER = 10.0
"""How long to wait for the head of the cluster; Ray itself would try for minutes."""
SECONDS_TO_STOP = GRACE_SECONDS - 2
"""How long cancelled jobs may take to end; the shutdown of Ray itself needs a part of the ten seconds too."""
STORE_IDENTITY = ".store"
"""In the store's root: a random text by which a node sees whether it shares that folder with the driver."""


@dataclass(frozen=True)
class OnRay:
    """Jobs as tasks of the cluster that `connect` found. gpus, cpus: for each job, as Ray counts them."""

    ray: Any
    gpus: float
    cpus: float
    timeout_minutes: float | None = None

    @property
    def devices(self) -> Sequence[str]:
        """As `Executor.devices`: those of other machines."""
        return ()

    def run(
        self, jobs: Sequence[Job], store: Store, settings: JobSettings, report: RunDisplay
    ) -> Generator[JobResult, None, None]:
        """As `Executor.run`."""
        ray = self.ray
        task = ray.remote(num_gpus=self.gpus, num_cpus=self.cpus, max_retries=RESTARTS)(run_on_node)
        environment = {"OMP_NUM_THREADS": str(max(1, int(self.cpus)))}
        if folder := os.environ.get("MAE_BENCH_DATA"):
            environment["MAE_BENCH_DATA"] = folder
        identity, run = _identify(store.root), uuid.uuid4().hex
        device = "cuda" if self.gpus else "cpu"
        pending = {}
        for job in jobs:
            request = make_request(job, store, settings, device=device, place=device)
            request["scratch"] = f"jobs/{run}/{job.key}"
            weights = (store.working_directory(job) / MODEL_FILE).read_bytes() if job.trained else None
            pending[task.remote(request, environment, self.timeout_minutes, identity, weights)] = job
        try:
            while pending:
                ended, _ = ray.wait(list(pending), num_returns=1)
                for reference in ended:
                    yield self._result(pending.pop(reference), reference, store)
        finally:
            for reference in pending:
                ray.cancel(reference)
            if pending:
                ray.wait(list(pending), num_returns=len(pending), timeout=SECONDS_TO_STOP)
            ray.shutdown()

    def _result(self, job: Job, reference: Any, store: Store) -> JobResult:
        """What the task returned; its record and pictures are saved here if its node could not."""
        try:
            reply = self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            return JobResult(job, f"Ray gave it up ({describe(error)}); run it again to resume it.", 0.0)
        if "failure" in reply:
            return JobResult(job, reply["failure"], reply["seconds"])
        try:
            record = Record.model_validate(reply["record"])
            if not reply["shared"]:
                path = store.save(record)
                replace_pictures(path, {kind: b64decode(one) for kind, one in reply.get("pictures", {}).items()})
        except MaeBenchError as error:
            return JobResult(job, str(error), reply["seconds"])
        except (OSError, ValueError) as error:
            sentence = (
                f"its record cannot be saved ({describe(error)}); see that there is room in {store.root} and one "
                "version of mae-bench everywhere, then run it again."
            )
            return JobResult(job, sentence, reply["seconds"])
        return JobResult(job, record, reply["seconds"])


def connect(
    address: str | None, gpus: float | None = None, cpus: float = 1.0, timeout_minutes: float | None = None
) -> OnRay:
    """The executor on the cluster at `address`; without one, on that of RAY_ADDRESS, or on this machine alone.

    gpus: for each job; None is one if the cluster has any. UsageError if Ray is not installed, the cluster cannot be
    reached, or has less than one job needs.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # whether Ray is told of a run is for its user to say
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # `run_on_node` hides GPUs itself
    ray = load_ray()
    try:
        if address and (host_and_port := re.fullmatch(r"([^:/]+):(\d+)", address)):
            socket.create_connection((host_and_port[1], int(host_and_port[2])), SECONDS_TO_ANSWER).close()
        ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level="error")
    except (OSError, RuntimeError, ValueError) as error:
        named = address or os.environ.get("RAY_ADDRESS")
        raise UsageError(
            f"the Ray cluster {f'at {named}' if named else 'of this machine'} cannot be reached ({describe(error)}); "
            "correct --address or RAY_ADDRESS, or start the cluster with ray start --head."
        ) from error
    available = ray.cluster_resources()
    gpus = gpus if gpus is not None else float(available.get("GPU", 0) > 0)
    for what, wanted in (("GPU", gpus), ("CPU", cpus)):
        if wanted > available.get(what, 0):
            ray.shutdown()
            raise UsageError(
                f"a job needs {wanted:g} {what}s and the Ray cluster has {available.get(what, 0):g}; "
                f"ask for less with --{what.lower()}s-per-job, or start nodes first."
            )
    return OnRay(ray, gpus, cpus, timeout_minutes)


_worker: WorkerProcess | None = None
"""The process of this Ray worker; Ray gives a worker one task at a time."""


def load_ray() -> Any:
    """The package; UsageError if it is not installed."""
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise UsageError("the executor ray needs Ray; install it with pip install 'mae-bench[ray]'.") from error


def run_on_node(
    request: dict[str, Any],
    environment: dict[str, str],
    timeout_minutes: float | None,
    identity: str,
    weights: bytes | None = None,
) -> dict[str, Any]:
    """The Ray task: the reply of a process of this node to `request`, and whether the node shares the store.

    weights: the model file of a trained model, for a node that does not share the store.
    """
    # Ray cancels a task by SIGINT, which does nothing if the node was started with a shell's & and ignores it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "") if request["device"] == "cuda" else ""
    if gpus:
        request = {**request, "place": f"cuda:{gpus}"}
    shared = _read_identity(Path(request["store"])) == identity
    scratch = platformdirs.user_cache_path("mae-bench") / request["scratch"]
    if not shared:
        request = {**request, "store": None, "working_directory": str(scratch)}
        if weights is not None:
            write_atomically(scratch / MODEL_FILE, weights)
    worker = _worker_with({**environment, "CUDA_VISIBLE_DEVICES": gpus})
    reply: dict[str, Any] = {}
    try:
        reply = worker.run(request, timeout_minutes)
    finally:
        if "record" not in reply:  # it failed, or Ray cancels this task
            stop_worker()
    if "record" in reply:
        shutil.rmtree(scratch, ignore_errors=True)
    return {**reply, "shared": shared}


def _worker_with(environment: dict[str, str]) -> WorkerProcess:
    """The process kept from the job before, or a new one if the GPU differs."""
    global _worker  # noqa: PLW0603 (a Ray worker is a process, and this is its state)
    if _worker is not None and _worker.environment != environment:
        stop_worker()
    if _worker is None:
        _worker = WorkerProcess(environment)
    return _worker


def stop_worker() -> None:
    """End the process that this Ray worker keeps for its next job, if there is one."""
    global _worker
    worker, _worker = _worker, None
    if worker is not None:
        worker.stop()


def _identify(root: Path) -> str:
    """The identity of the store, written by the first run on a cluster."""
    if not (identity := _read_identity(root)):
        identity = uuid.uuid4().hex
        write_atomically(root / STORE_IDENTITY, identity.encode())
    return identity


def _read_identity(root: Path) -> str:
    try:
        return (root / STORE_IDENTITY).read_text(encoding="utf-8")
    except OSError:
        return ""
