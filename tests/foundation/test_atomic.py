"""Files are written whole or not at all, whatever happens in between."""

import errno
import os
import time
from pathlib import Path

import pytest

from mae_bench.foundation.atomic import remove_abandoned, write_atomically


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new folder" / "page"
    write_atomically(path, b"old")

    def crash(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_the_new_file_is_on_the_disk_before_it_takes_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page"
    seen = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append((os.fstat(descriptor).st_size, path.exists())))
    write_atomically(path, b"text")
    assert seen == [(4, False)]
    assert path.read_bytes() == b"text"


def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as fault:
        write_atomically(tmp_path / "page", b"text")
    assert (fault.value.errno, fault.value.filename) == (errno.ENOSPC, str(tmp_path / "page"))
    assert not list(tmp_path.iterdir())


def test_what_killed_processes_left_is_removed_once_it_is_old(tmp_path: Path) -> None:
    old, new, other = tmp_path / ".a.json.1f.tmp", tmp_path / ".b.json.2e.tmp", tmp_path / "c.json"
    for path in (old, new, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (time.time() - 3700,) * 2)
    remove_abandoned(tmp_path)
    assert set(tmp_path.iterdir()) == {new, other}
    remove_abandoned(tmp_path / "absent")
