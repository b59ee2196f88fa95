"""The executor of a Slurm cluster, through submitit. Slurm queues the jobs, and starts one again that it interrupted.

The jobs of a run are one array. Each hands its work to a separate process, as a slot of this machine does
(`executors.worker_process`), and writes to the store, which the nodes share with the machine of the command.
"""

import importlib
import io
import logging
import os
import shutil
import signal
import time
import uuid
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from mae_bench.executors import JobResult
from mae_bench.executors.display import RunDisplay
from mae_bench.executors.local import THREADS_VARIABLE
from mae_bench.executors.worker_process import WorkerProcess, make_request
from mae_bench.foundation.errors import UsageError, describe
from mae_bench.foundation.interruption import deferred, raise_if_requested
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import Job
from mae_bench.records.schema import Record
from mae_bench.records.store import Store

CLUSTER = "slurm"
"""What submitit calls it; its "local" runs the same on this machine alone."""
TIME_MINUTES = 240
TIME_OUTS = 100
"""How often Slurm may end one job at its time limit; preemptions are not counted."""
SECONDS_OF_WARNING = 60
"""From Slurm's signal to the end of a job's time: the process of the job takes up to nine of them."""
SECONDS_BETWEEN_LOOKS = 1.0
FOLDER = ".slurm"
"""In the store's root: what submitit writes, a folder for each run, removed if all its jobs came to a result."""
_SIGNALS_OF_SLURM = (signal.SIGUSR1, signal.SIGUSR2)


@dataclass(frozen=True)
class OnSlurm:
    """Jobs as an array of Slurm's. gpus, cpus: whole numbers, for each job. max_running: at a time, or None.

    sbatch: options of sbatch by name, beyond those that have a field here.
    """

    submitit: Any
    partition: str | None = None
    time_minutes: int = TIME_MINUTES
    gpus: int = 0
    cpus: int = 1
    max_running: int | None = None
    sbatch: Mapping[str, str] = field(default_factory=dict)
    timeout_minutes: float | None = None

    @property
    def devices(self) -> Sequence[str]:
        """As `Executor.devices`: those of other machines."""
        return ()

    def run(
        self, jobs: Sequence[Job], store: Store, settings: JobSettings, report: RunDisplay
    ) -> Generator[JobResult, None, None]:
        """As `Executor.run`. UsageError if Slurm refuses the jobs."""
        if not jobs:
            return
        folder = store.root.resolve() / FOLDER / uuid.uuid4().hex
        device = "cuda" if self.gpus else "cpu"
        requests = [make_request(job, store, settings, device=device, place=device) for job in jobs]
        with deferred():  # jobs that were submitted and are not known here could not be cancelled
            pending = dict(zip(self._submit(requests, folder), jobs, strict=True))
        results = []
        try:
            raise_if_requested()
            while pending:
                for submitted in [one for one in pending if one.done()]:
                    results.append(self._result(pending.pop(submitted), submitted))
                    yield results[-1]
                time.sleep(SECONDS_BETWEEN_LOOKS if pending else 0)
        finally:
            _cancel(pending, folder)
        if not any(isinstance(result.outcome, str) for result in results):
            shutil.rmtree(folder, ignore_errors=True)

    def _submit(self, requests: Sequence[dict[str, Any]], folder: Path) -> list[Any]:
        """submitit's jobs, in the order of the requests."""
        limits = {f"{CLUSTER}_max_num_timeout": TIME_OUTS}
        try:
            executor = self.submitit.AutoExecutor(folder, cluster=CLUSTER, **limits)
            executor.update_parameters(
                name="mae-bench",
                timeout_min=self.time_minutes,
                gpus_per_node=self.gpus or None,
                cpus_per_task=self.cpus,
                stderr_to_stdout=True,
                slurm_partition=self.partition,
                slurm_array_parallelism=min(self.max_running or len(requests), len(requests)),
                slurm_signal_delay_s=SECONDS_OF_WARNING,
                slurm_additional_parameters={"requeue": True, **self.sbatch},
            )
            on_node = [OnNode(request, self.cpus, self.timeout_minutes) for request in requests]
            with redirect_stderr(io.StringIO()):  # submitit prints there what it raises too
                submitted: list[Any] = executor.submit_array(on_node)
        except (OSError, RuntimeError) as error:
            raise_if_requested()  # Ctrl-C reaches sbatch too
            shutil.rmtree(folder, ignore_errors=True)
            raise UsageError(
                f"Slurm does not take the jobs ({describe(error)}); correct --partition, --time-minutes, "
                "--gpus-per-job, --cpus-per-job or --sbatch, or run fewer jobs at once."
            ) from error
        return submitted

    def _result(self, job: Job, submitted: Any) -> JobResult:
        """What became of a job that Slurm has done with."""
        try:
            reply = submitted.result()
        except self.submitit.core.utils.UncompletedJobError:
            sentence = f"Slurm gave it up ({submitted.state}); its log is {submitted.paths.stdout}"
            return JobResult(job, f"{sentence}; run it again to resume it.", 0.0)
        outcome = reply["failure"] if "failure" in reply else Record.model_validate(reply["record"])
        return JobResult(job, outcome, reply["seconds"])


def _cancel(pending: Mapping[Any, Job], folder: Path) -> None:
    """Have Slurm end them: SIGTERM, upon which a training writes a checkpoint. An array takes one command."""
    whole = {}
    for submitted in pending:
        number, _, index = submitted.job_id.partition("_")
        whole[number] = type(submitted)(folder, number) if index else submitted
    for submitted in whole.values():
        submitted.cancel(check=False)


def connect(
    *,
    partition: str | None = None,
    time_minutes: int | None = None,
    gpus: float | None = None,
    cpus: float | None = None,
    max_running: int | None = None,
    sbatch: Sequence[str] = (),
    timeout_minutes: float | None = None,
) -> OnSlurm:
    """The executor on the Slurm cluster of this machine; what is None has the default of `OnSlurm`.

    sbatch: texts NAME=VALUE. UsageError as from `check_options`, and if Slurm's commands are not on this machine.
    """
    submitit = check_options(gpus, cpus, sbatch)
    if importlib.import_module("submitit.core.plugins").get_executors()[CLUSTER].affinity() < 0:
        raise UsageError(
            "the executor slurm needs Slurm's commands, and srun is not on this machine; give the command on one from "
            "which you can submit jobs."
        )
    return OnSlurm(
        submitit,
        partition=partition,
        time_minutes=time_minutes or TIME_MINUTES,
        gpus=int(gpus or 0),
        cpus=int(cpus or 1),
        max_running=max_running,
        sbatch=dict(_parse_option(text) for text in sbatch),
        timeout_minutes=timeout_minutes,
    )


def check_options(gpus: float | None, cpus: float | None, sbatch: Sequence[str]) -> Any:
    """The package submitit; UsageError if it is not installed, and for what no Slurm cluster takes."""
    for name, number in (("--gpus-per-job", gpus), ("--cpus-per-job", cpus)):
        if number is not None and number != int(number):
            raise UsageError(f"{name} is {number:g}, and Slurm shares out whole ones; give a whole number.")
    for text in sbatch:
        _parse_option(text)
    try:
        submitit = importlib.import_module("submitit")
    except ImportError as error:
        raise UsageError(
            "the executor slurm needs submitit; install it with pip install 'mae-bench[slurm]'."
        ) from error
    logging.getLogger("submitit").setLevel(logging.ERROR)  # it would write into the table of jobs
    return submitit


def _parse_option(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (separator and name.strip("-") and value):
        raise UsageError(f"--sbatch is {text!r}, which is no NAME=VALUE; write for example --sbatch account=vision.")
    return name.strip().lstrip("-"), value


class OnNode:
    """What Slurm starts on a node: it hands a request to a separate process there, and submitit its reply.

    Slurm warns by a signal, for which submitit calls `checkpoint` before it has the job queued again.
    """

    def __init__(self, request: dict[str, Any], cpus: int, timeout_minutes: float | None) -> None:
        self.request, self.cpus, self.timeout_minutes = request, cpus, timeout_minutes
        self._worker: WorkerProcess | None = None
        self._ending = False

    def __call__(self) -> dict[str, Any]:
        """The reply of the process; none, but the end, if Slurm ends the job by SIGTERM."""
        before = signal.getsignal(signal.SIGTERM)

        def stop(number: int, frame: FrameType | None) -> None:
            self._ending = True
            if self._worker:
                self._worker.ask_to_stop()
            if callable(before):
                before(number, frame)

        signal.signal(signal.SIGTERM, stop)
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES", "") if self.request["device"] == "cuda" else ""
        request = {**self.request, "place": f"cuda:{gpus}"} if gpus else self.request
        environment = {THREADS_VARIABLE: str(self.cpus), "CUDA_VISIBLE_DEVICES": gpus}
        # Slurm signals every process of a job, and this signal would end one that does not expect it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS_OF_SLURM)
        self._worker = worker = WorkerProcess(environment)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS_OF_SLURM)
        if self._ending:
            worker.ask_to_stop()
        with ThreadPoolExecutor(1) as thread:  # so that a signal finds this one at leisure
            try:
                reply = thread.submit(worker.run, request, self.timeout_minutes).result()
            finally:
                worker.stop()
        while self._ending and "record" not in reply:
            signal.pause()  # no result: Slurm is about to queue the job again, or to end it
        return reply

    def checkpoint(self) -> Any:
        """Stop the process, which writes its checkpoint; what to submit in place of this."""
        if self._worker:
            self._worker.stop()
        helpers = importlib.import_module("submitit.helpers")
        return helpers.DelayedSubmission(OnNode(self.request, self.cpus, self.timeout_minutes))
