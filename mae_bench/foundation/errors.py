"""The errors a user is meant to read: each is one sentence that names the thing, the reason and the remedy."""

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


def describe(error: BaseException) -> str:
    """An unexpected exception in one line: its type and the first line of its message."""
    message = str(error).strip().splitlines()
    return f"{type(error).__name__}: {message[0]}" if message else type(error).__name__
