"""Files that people name and write: their paths, and their text as Python reads its own. Does not import torch."""

import hashlib
import tokenize
from pathlib import Path

from mae_bench.foundation.paths import given_path


def read_source(path: Path) -> str:
    """The text of a file, every line ended by a line feed.

    UTF-8, with or without a byte order mark, unless a comment in the first two lines names another encoding (PEP 263).
    OSError if the file cannot be read, ValueError if it is not text of that encoding.
    """
    try:
        with tokenize.open(path) as file:
            return file.read()
    except SyntaxError as error:  # an encoding that there is not, or bytes that are not UTF-8
        raise ValueError(error.msg) from error


def hash_of_text(text: str) -> str:
    """SHA-256 of the text, in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def absolute(path: str | Path) -> Path:
    """The path with its `~` expanded and its folder resolved; a link keeps its own name.

    In the hub's cache, `my_vae.py` is a link to a file that is named by its hash.
    """
    expanded = given_path(path)
    return expanded.parent.resolve() / expanded.name
