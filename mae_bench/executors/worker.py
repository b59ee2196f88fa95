"""The process that an executor starts to run jobs one after another: requests on standard input, replies on standard
output, one line of JSON each. What a job prints goes to a file in its working directory.
"""

import json
import os
import queue
import signal
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mae_bench.foundation import interruption
from mae_bench.foundation.errors import MaeBenchError
from mae_bench.foundation.streams import print_every_text
from mae_bench.job.settings import JobSettings
from mae_bench.records.store import Store

OUTPUT_FILE = "output.txt"


def main() -> None:
    """Answer requests until there are no more, or a signal comes; the exit status is then 143 or 130, as a shell's.

    A closed standard input means that the parent is gone: the running job is ended as by SIGTERM, or at once
    if it is already ending.
    """
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a model that prints must not do so among the replies
    print_every_text()
    requests: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    busy = threading.Event()
    try:
        with interruption.stops_on_signals():
            threading.Thread(target=_read, args=(requests, busy), daemon=True).start()
            while (line := requests.get()) is not None:
                busy.set()
                print(json.dumps(answer(json.loads(line))), file=replies, flush=True)
                busy.clear()
    except interruption.Interrupted as error:
        sys.exit(error.exit_status)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """{"record": ..., "seconds": ...}, or "failure" in place of the record; see `worker_process.make_request`.

    Without a store the "pictures" of the record go along, by kind, in base64.
    """
    from mae_bench.executors.local import choose_device
    from mae_bench.executors.run_job import run_job
    from mae_bench.executors.specification import restore

    working_directory = Path(request["working_directory"])
    with _output_to(working_directory / OUTPUT_FILE):
        try:
            job = restore(request["specification"], working_directory)
            device = choose_device(request["device"])
        except (MaeBenchError, OSError) as error:
            return {"failure": str(error), "seconds": 0.0}
        result = run_job(
            job,
            JobSettings(**request["settings"]),
            working_directory=working_directory,
            device=device,
            place=request["place"],
            store=Store(Path(request["store"])) if request["store"] else None,
        )
    if isinstance(result.outcome, str):
        return {"failure": result.outcome, "seconds": result.seconds}
    reply = {"record": result.outcome.content(), "seconds": result.seconds}
    if not request["store"]:
        reply["pictures"] = {kind: b64encode(picture).decode() for kind, picture in result.pictures.items()}
    return reply


def _read(requests: "queue.SimpleQueue[str | None]", busy: threading.Event) -> None:
    for line in sys.stdin:
        requests.put(line)
    requests.put(None)
    if busy.is_set():
        if interruption.requested():
            os._exit(128 + signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _output_to(path: Path) -> Iterator[None]:
    """Within it, what this process and the libraries in it print goes to `path`, if that can be written."""
    before = [os.dup(descriptor) for descriptor in (1, 2)]
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            for descriptor in (1, 2):
                os.dup2(file.fileno(), descriptor)
    try:
        yield
    finally:
        for descriptor, saved in zip((1, 2), before, strict=True):
            os.dup2(saved, descriptor)
            os.close(saved)
