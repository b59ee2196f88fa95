"""A store that is full or read-only: said before anything trains where it can be known, and nothing half-written."""

import shutil
import subprocess
from pathlib import Path

import pytest

from mae_bench.job.checkpoint import TRAINING_FILE
from tests.faults.conftest import Run, comparable, nothing_is_half_written


def with_room_for(kib: int) -> list[str]:
    """The beginning of a command that can write no file larger than so many KiB."""
    return ["sh", "-c", f'ulimit -f {2 * kib} && exec "$@"', "sh"]


def test_without_room_for_a_record_nothing_trains(store: Path) -> None:
    output = Run(store, prefix=with_room_for(64)).finish(2)
    assert "records cannot be written to" in output
    assert "--output-dir" in output
    assert list(store.rglob("*")) == []


def test_without_room_for_a_checkpoint_the_job_fails(undisturbed: dict[str, object], store: Path) -> None:
    output = Run(store, prefix=with_room_for(256)).finish(1)
    assert "the store cannot be written to (File too large); make room, then run it again to resume it" in output
    nothing_is_half_written(store)
    assert not list(store.rglob(TRAINING_FILE))
    assert not list(store.rglob(".*.tmp"))
    Run(store, "--seeds", "0,1").finish()
    assert comparable(store) == undisturbed


@pytest.fixture
def mounting() -> list[str]:
    """The beginning of a command that may mount a file system, for itself alone."""
    command = ["unshare", "--user", "--map-root-user", "--mount"]
    if shutil.which("unshare") is None or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("this system lets nobody mount a file system of their own")
    return command


def test_a_full_and_a_read_only_file_system(mounting: list[str], store: Path) -> None:
    store.mkdir()
    for options, said, status in (
        ("size=64k", "records cannot be written to", 2),
        ("ro", "records cannot be written to", 2),
        ("size=1536k", "the store cannot be written to (No space left on device)", 1),
    ):
        mounted = [*mounting, "sh", "-c", f'mount -t tmpfs -o {options} tmpfs {store} && exec "$@"', "sh"]
        assert said in Run(store, prefix=mounted).finish(status)
