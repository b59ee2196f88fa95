"""The errors a user is meant to read: each is one sentence that names the thing, the reason and the remedy."""

import importlib
import os
import traceback
from pathlib import Path

from mae_bench.foundation.content import PACKAGE
from mae_bench.foundation.text import printable


class MaeBenchError(Exception):
    """An expected failure. The command line prints its message without a traceback and exits with 1."""


class UsageError(MaeBenchError):
    """A wrong name, parameter, option or file, found before anything trains. The command line exits with 2."""


class DataError(MaeBenchError):
    """A data set that is missing, truncated or not the one the task declares."""


class TrainingError(MaeBenchError):
    """Training that cannot continue, because the loss is not a number or has exploded."""


class RecordError(MaeBenchError):
    """A record that cannot be read, or that a board refuses. Its message is made printable: it may quote a file."""

    def __init__(self, sentence: str) -> None:
        super().__init__(printable(sentence))


class Escape(Exception):
    """What `foundation.process` makes of an exception that is none (SystemExit, GeneratorExit), which is its cause.

    So a model that calls `sys.exit` is treated like one that raises: it ends its own job and no other.
    """


def describe(error: BaseException, file: str | Path | None = None) -> str:
    """An unexpected exception in one line: its type and the first line of its message.

    file: if the error was raised in this file or beneath it, the last line of the file that took part is named too.

    >>> describe(ValueError("beta is -1"))
    'ValueError: beta is -1'
    """
    error = _original(error)
    try:
        message = str(error).strip().splitlines()
    except Exception:  # a model's own exception may be unable to say anything
        message = []
    line = None if file is None else line_in(error, file)
    where = f" at line {line} of {Path(file).name}" if file is not None and line is not None else ""
    return f"{type(error).__name__}{where}" + (f": {message[0]}" if message else "")


def line_in(error: BaseException, file: str | Path) -> int | None:
    """The last line of `file` in the traceback of `error`, or that of a syntax error in it; None if there is none."""
    error, path = _original(error), str(file)
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == path]
    return lines[-1] if lines else None


def raising_file(error: BaseException) -> str | None:
    """The file whose code raised `error`, as tracebacks name it; None if that is Python's import or this package."""
    for frame, _ in reversed(list(traceback.walk_tb(_original(error).__traceback__))):
        path = frame.f_code.co_filename
        if not path.startswith(("<", str(PACKAGE), os.path.dirname(importlib.__file__))):  # noqa: PTH120 (a prefix)
            return path
    return None


def _original(error: BaseException) -> BaseException:
    return error.__cause__ if isinstance(error, Escape) and error.__cause__ else error
