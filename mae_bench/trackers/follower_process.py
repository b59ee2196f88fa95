"""The other end of `trackers.follower`: starts the process for a run, and ends it after the run."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Any

from mae_bench.foundation.errors import UsageError
from mae_bench.planning.plan import Job
from mae_bench.records.store import Store
from mae_bench.trackers.follower import make_request

_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); import mae_bench.trackers.follower as f; f.main()"
"""What can be imported here can be imported there."""
SECONDS_TO_END = 120.0
"""How long the trackers may take after the last job."""
SECONDS_AFTER_INTERRUPTION = 0.5
"""The process goes on by itself for as long as it needs."""


@dataclass
class Tracking:
    """What a run with trackers has to say at its end. commands: by tracker, to look at it; warnings: sentences."""

    commands: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


@contextmanager
def tell_trackers(names: Sequence[str], store: Store, jobs: Sequence[Job], *, anew: bool = False) -> Iterator[Tracking]:
    """Within it, the trackers are told what the jobs do, in a process of their own; what they said is complete after
    it.

    names: those of `registry.check_names`; without any, nothing happens. anew: every job runs from its beginning.
    UsageError if a tracker cannot be used here.
    """
    if not names:
        yield Tracking()
        return
    request = make_request(list(names), store, list(jobs), anew=anew)
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C is for the run, which lets this process finish
        )
        try:
            tracking = Tracking(commands=_hand_over(process, request, errors))
            yield tracking
        except BaseException:
            _end_input(process)
            with suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS_AFTER_INTERRUPTION)
            raise
        tracking.warnings += _end(process, errors)


def check_trackers(names: Sequence[str], store: Store) -> None:
    """UsageError if a tracker cannot be used here. Writes nothing."""
    with tell_trackers(names, store, []):
        pass


def _hand_over(process: "subprocess.Popen[str]", request: dict[str, Any], errors: IO[bytes]) -> dict[str, str]:
    """The commands that the process answers with."""
    assert process.stdin and process.stdout
    with suppress(BrokenPipeError):
        process.stdin.write(f"{json.dumps(request)}\n")
        process.stdin.flush()
    line = process.stdout.readline()
    if not line.endswith("\n"):
        process.wait()
        raise UsageError(f"the process of the trackers cannot start{_last_line(errors)}; leave out the trackers.")
    answer: dict[str, Any] = json.loads(line)
    if "fault" in answer:
        raise UsageError(answer["fault"])
    commands: dict[str, str] = answer["commands"]
    return commands


def _end(process: "subprocess.Popen[str]", errors: IO[bytes]) -> list[str]:
    """Wait for the process, which has a last look; gives its warnings."""
    late = False
    try:
        output, _ = process.communicate(timeout=SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        late = True
        process.kill()
        output, _ = process.communicate()
    warnings = [json.loads(line)["warning"] for line in output.splitlines(keepends=True) if line.endswith("\n")]
    if late:
        warnings.append(f"the trackers took more than {SECONDS_TO_END:g} seconds after the run and were stopped.")
    elif process.returncode:
        warnings.append(f"the process of the trackers ended with status {process.returncode}{_last_line(errors)}.")
    return warnings


def _end_input(process: "subprocess.Popen[str]") -> None:
    assert process.stdin
    with suppress(OSError):
        process.stdin.close()


def _last_line(errors: IO[bytes]) -> str:
    """What the process printed last, in brackets."""
    errors.seek(0)
    lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return f" ({lines[-1]})" if lines else ""
