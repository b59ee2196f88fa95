"""The process that tells trackers of the jobs of a run: one request on standard input, replies on standard output.

A reply is a line of JSON. It ends when its standard input does, so also when the process of the run is killed.
"""

import json
import os
import select
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mae_bench.foundation.errors import MaeBenchError, UsageError, describe
from mae_bench.foundation.process import escapes_caught
from mae_bench.planning.plan import Job
from mae_bench.records.store import Store
from mae_bench.trackers import TrackedJob
from mae_bench.trackers.following import Following
from mae_bench.trackers.registry import load_tracker

SECONDS_BETWEEN_LOOKS = 1.0


def make_request(names: list[str], store: Store, jobs: list[Job], *, anew: bool) -> dict[str, Any]:
    """What the process needs to know, as JSON. anew: every job runs from its beginning."""
    return {
        "names": names,
        "store": str(store.root),
        "jobs": [{"job": asdict(TrackedJob.of(job)), "record": str(store.record_path(job))} for job in jobs],
        "anew": anew,
    }


def main() -> None:
    """Answer the request with "commands", or with "fault" if a tracker cannot be used; then follow the jobs."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # a tracker that prints must not do so among the replies

    def reply(content: dict[str, Any]) -> None:
        with suppress(OSError):  # the run may be gone
            print(json.dumps(content), file=replies, flush=True)

    request = json.loads(sys.stdin.readline())
    try:
        followed, commands = _begin(request)
    except MaeBenchError as error:
        reply({"fault": str(error)})
        return
    reply({"commands": commands})
    ending = False
    while not ending:
        ending = bool(select.select([0], [], [], SECONDS_BETWEEN_LOOKS)[0])
        for name in list(followed):
            if fault := _look(followed[name], last=ending):
                del followed[name]
                reply({"warning": f"the tracker {name} stopped ({fault}); the same command tells it what is missing."})


def _begin(request: dict[str, Any]) -> tuple[dict[str, list[Following]], dict[str, str]]:
    """The jobs by tracker, and of each tracker the command to look at it."""
    followed, commands = {}, {}
    for name in request["names"]:
        tracker, folder = load_tracker(name), Path(request["store"]) / name
        try:
            with escapes_caught():
                commands[name] = tracker.look(folder)
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(f"the tracker {name} cannot be used ({describe(error)}); leave it out.") from error
        followed[name] = [
            Following(tracker, folder, TrackedJob(**one["job"]), Path(one["record"]), anew=request["anew"])
            for one in request["jobs"]
        ]
    return followed, commands


def _look(jobs: list[Following], *, last: bool) -> str | None:
    """What is wrong with a tracker, once it is; None while nothing is."""
    try:
        with escapes_caught():
            for job in jobs:
                job.look(last=last)
    except Exception as error:
        for job in jobs:
            with suppress(Exception), escapes_caught():
                job.close()
        return describe(error)
    return None
