"""Files that are written whole or not at all: records, checkpoints, pages. Does not import torch."""

import os
import time
import uuid
from contextlib import suppress
from pathlib import Path

_ABANDONED_SECONDS = 3600.0


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader always finds a complete file, old or new, even after a crash.

    A temporary file in the same folder is flushed to disk and renamed. Missing folders are created. An OSError names
    `path`, not the temporary file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_abandoned(folder: Path) -> None:
    """Delete the temporary files that killed processes left in `folder`, which are those older than an hour."""
    for path in folder.glob(".*.tmp"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                path.unlink()
