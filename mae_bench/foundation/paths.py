"""Paths as people write them, and the files of a folder without those that systems hide in it. Imports no package."""

import os
from pathlib import Path


def given_path(text: str | Path) -> Path:
    """The path that a person wrote: a "~" or "~name" at its beginning is a home folder, where there is such a user."""
    return Path(os.path.expanduser(text))  # noqa: PTH111 (Path.expanduser raises where there is none)


def visible(folder: Path, pattern: str) -> list[Path]:
    """What matches `pattern` in `folder`, sorted, without dot-files and whatever lies in dot-folders beneath it.

    Nobody means those: macOS writes ._x.json beside x.json on a foreign disk; editors and file servers do the like.
    """
    return sorted(
        path
        for path in folder.glob(pattern)
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
