"""Text files that people write, read as Python reads its own."""

import tokenize
from pathlib import Path


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
