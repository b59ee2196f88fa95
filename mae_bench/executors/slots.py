"""The executor of several processes on this machine: a slot is a device and a share of the processor's cores."""

import os
import queue
import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from mae_bench.executors import JobResult
from mae_bench.executors.display import RunDisplay
from mae_bench.executors.local import THREADS_VARIABLE, check_threads, choose_device
from mae_bench.executors.worker_process import WorkerProcess, make_request
from mae_bench.foundation.errors import UsageError, describe
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import Job
from mae_bench.records.schema import Record
from mae_bench.records.store import Store


@dataclass(frozen=True)
class Slot:
    """Where one job at a time runs. name: "cuda:1", "cpu"; device: what torch calls it in the slot's process."""

    name: str
    device: str
    environment: dict[str, str]


def plan_slots(devices: str, count: int | None) -> list[Slot]:
    """`count` slots, one for each device unless given, over the devices of a comma-separated list in turn.

    "auto" is every GPU, or the CPU if there is none. The cores are shared out among the slots, unless the variable
    OMP_NUM_THREADS says how many threads each is to have. UsageError for a device that is not there, and if that
    variable says something else.
    """
    given = check_threads()
    import torch

    gpus = torch.cuda.device_count()  # asks the driver without taking any of a GPU's memory
    names = [name.strip() for name in devices.split(",")]
    if names == ["auto"]:
        names = [f"cuda:{index}" for index in range(gpus)] or ["cpu"]
    count = len(names) if count is None else count
    threads = given or str(max(1, _cores() // count))
    return [_plan_slot(names[slot % len(names)], gpus, threads) for slot in range(count)]


def _cores() -> int:
    """How many this process may use, if the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _plan_slot(name: str, gpus: int, threads: str) -> Slot:
    kind, _, index = name.partition(":")
    if kind != "cuda":
        return Slot(name, choose_device(name), {THREADS_VARIABLE: threads, "CUDA_VISIBLE_DEVICES": ""})
    number = int(index) if index.isdecimal() else 0
    if number >= gpus or not (index.isdecimal() or name == "cuda"):
        raise UsageError(f"device {name!r} cannot be used here (GPUs found: {gpus}); choose auto, cpu or cuda:N.")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    identifier = visible.split(",")[number] if visible else str(number)
    return Slot(name, "cuda", {THREADS_VARIABLE: threads, "CUDA_VISIBLE_DEVICES": identifier})


@dataclass(frozen=True)
class Slots:
    """A process a slot; one that fails or dies is replaced before the next job. timeout_minutes: of a job, or None."""

    slots: Sequence[Slot]
    timeout_minutes: float | None = None

    @property
    def devices(self) -> Sequence[str]:
        """As `Executor.devices`."""
        return tuple(dict.fromkeys(slot.device for slot in self.slots))

    def run(
        self, jobs: Sequence[Job], store: Store, settings: JobSettings, report: RunDisplay
    ) -> Generator[JobResult, None, None]:
        """As `Executor.run`."""
        waiting: queue.SimpleQueue[tuple[Job, dict[str, Any]]] = queue.SimpleQueue()
        results: queue.SimpleQueue[JobResult] = queue.SimpleQueue()
        for job in jobs:
            waiting.put((job, make_request(job, store, settings, device="", place="")))
        servers = [_Server(slot, waiting, results, self.timeout_minutes) for slot in self.slots[: len(jobs)]]
        for server in servers:
            server.start()
        try:
            for _ in jobs:
                yield results.get()
        finally:
            for server in servers:
                server.ask_to_stop()
            for server in servers:
                server.join()


class _Server(threading.Thread):
    """Takes jobs from `waiting` and has the slot's process run them, until there are none or it is asked to stop."""

    def __init__(
        self,
        slot: Slot,
        waiting: "queue.SimpleQueue[tuple[Job, dict[str, Any]]]",
        results: "queue.SimpleQueue[JobResult]",
        timeout_minutes: float | None,
    ) -> None:
        super().__init__(daemon=True)
        self.slot, self.waiting, self.results, self.timeout_minutes = slot, waiting, results, timeout_minutes
        self._worker: WorkerProcess | None = None
        self._stopping = False
        self._lock = threading.Lock()

    def run(self) -> None:
        while True:
            try:
                job, request = self.waiting.get_nowait()
            except queue.Empty:
                break
            started = time.monotonic()
            try:
                outcome = self._outcome(request)
            except Exception as error:  # whatever it is: the run waits for a result
                outcome = (
                    f"its process cannot be started or understood ({describe(error)}); run it again, with fewer --jobs "
                    "if this machine has no room for another process."
                )
            if outcome is None:
                break
            self.results.put(JobResult(job, outcome, time.monotonic() - started))
            if isinstance(outcome, str):
                self._stop_worker()
        self._stop_worker()

    def _outcome(self, request: dict[str, Any]) -> Record | str | None:
        """The job's record, or a sentence about why there is none; None if this thread is asked to stop."""
        worker = self._ready_worker()
        if worker is None:
            return None
        reply = worker.run({**request, "device": self.slot.device, "place": self.slot.name}, self.timeout_minutes)
        return reply["failure"] if "failure" in reply else Record.model_validate(reply["record"])

    def ask_to_stop(self) -> None:
        """Returns at once; `join` waits."""
        with self._lock:
            self._stopping = True
            if self._worker:
                self._worker.ask_to_stop()

    def _ready_worker(self) -> WorkerProcess | None:
        with self._lock:
            if not self._stopping and self._worker is None:
                self._worker = WorkerProcess(self.slot.environment)
            return None if self._stopping else self._worker

    def _stop_worker(self) -> None:
        with self._lock:
            worker, self._worker = self._worker, None
        if worker:
            worker.stop()
