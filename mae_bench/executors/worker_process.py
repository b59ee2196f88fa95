"""The other end of `executors.worker`: starts the process, hands it jobs, and says in a sentence why it died."""

import json
import math
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mae_bench.executors.specification import specify
from mae_bench.executors.worker import OUTPUT_FILE
from mae_bench.foundation.interruption import GRACE_SECONDS
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import Job
from mae_bench.records.store import Store

_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); import mae_bench.executors.worker as w; w.main()"
"""What can be imported here can be imported there."""
SECONDS_BETWEEN_LOOKS = 0.5
"""A blocked system call would keep Ray from cancelling its task."""


def make_request(job: Job, store: Store, settings: JobSettings, device: str, place: str) -> dict[str, Any]:
    """What a worker needs to know of a job, as JSON. UsageError if its model has changed meanwhile."""
    return {
        "specification": specify(job),
        "store": str(store.root.resolve()),
        "working_directory": str(store.working_directory(job).resolve()),
        "settings": asdict(settings),
        "device": device,
        "place": place,
    }


class WorkerProcess:
    """A process that runs jobs, one at a time, in a separate session, so that Ctrl-C reaches the parent alone.

    environment: variables that are set before it starts.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, request: dict[str, Any], timeout_minutes: float | None = None) -> dict[str, Any]:
        """The worker's reply. A worker that died, or took longer than the timeout and was ended, gives a "failure" too.

        After a failure the process is to be stopped, so that what broke it cannot break the next job.
        """
        assert self._process.stdin and self._process.stdout
        deadline = time.monotonic() + 60 * (math.inf if timeout_minutes is None else timeout_minutes)
        try:
            self._process.stdin.write(f"{json.dumps(request)}\n")
            self._process.stdin.flush()
            while not select.select([self._process.stdout], [], [], SECONDS_BETWEEN_LOOKS)[0]:
                if time.monotonic() > deadline:
                    self.stop()
                    failure = f"it took longer than the {timeout_minutes:g} minutes of --timeout and was stopped"
                    return _failure(failure, request)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line.endswith("\n"):  # it died, perhaps in the middle of its reply
            return _failure(_describe_end(self._process.wait()), request)
        reply: dict[str, Any] = json.loads(line)
        return reply

    def ask_to_stop(self) -> None:
        """A training that runs is to write a checkpoint, and the process to end. Returns at once."""
        if self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """As `ask_to_stop`; returns when the process has ended, by force if need be."""
        self.ask_to_stop()
        try:
            self._process.wait(GRACE_SECONDS + 1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _failure(sentence: str, request: dict[str, Any]) -> dict[str, Any]:
    output = Path(request["working_directory"]) / OUTPUT_FILE
    return {"failure": f"{sentence}; what it printed is in {output}; run it again to resume it.", "seconds": 0.0}


def _describe_end(status: int) -> str:
    """Why a process ended, from its exit status; negative for a signal."""
    number = -status if status < 0 else status - 128  # a worker that met a signal exits as a shell would
    if number == signal.SIGKILL:
        return "its process was killed (SIGKILL), as the system does when memory runs out"
    if number in set(signal.Signals):
        return f"its process was ended by {signal.Signals(number).name}"
    return f"its process ended with status {status}"
