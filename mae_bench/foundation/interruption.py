"""SIGTERM and Ctrl-C: stop without losing work, and always within seconds. Does not import torch.

Every file is written whole or not at all, so a process can be stopped anywhere. Only training has unsaved work to
lose, so it finishes its step and saves a checkpoint first (`deferred`).
"""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

GRACE_SECONDS = 8.0
"""The longest time from the signal to the end of the process: a machine that is taken away often gives only ten."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STDERR = 2


class Interrupted(KeyboardInterrupt):
    """A signal asked the process to end; its exit status is 130 (SIGINT) or 143 (SIGTERM), as in a shell."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_status = 128 + number


@dataclass
class _State:
    """The state of the process, since a signal is sent to a whole process."""

    received: int | None = None
    deferrals: int = 0


_state = _State()


@contextmanager
def stops_on_signals(grace: float = GRACE_SECONDS, last_words: str = "") -> Iterator[None]:
    """Within this context, in the main thread, the first SIGINT or SIGTERM raises `Interrupted`: at once, or when
    `deferred` code asks for it. The process is ended by force at a later SIGINT, or if it is still running after
    `grace` seconds; it then writes `last_words` to stderr. Further SIGTERMs change nothing, since a system may send one
    to every process and then one more.
    """
    handlers = {number: signal.signal(number, _receive) for number in SIGNALS}
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    # Python runs a handler only between two of its own instructions, but writes to this descriptor at once, so that the
    # watcher also counts the seconds of a long call into a library.
    descriptor = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reading, grace, last_words), daemon=True)
    watcher.start()
    try:
        yield
    except KeyboardInterrupt:  # a library may have replaced ours with its own; the signal is still known
        raise_if_requested()
        raise
    finally:
        signal.set_wakeup_fd(descriptor)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        _state.received = None
        writing.close()
        watcher.join()
        reading.close()


@contextmanager
def deferred() -> Iterator[None]:
    """Within this context a signal is only noted: the code calls `requested`, saves, and calls `raise_if_requested`."""
    _state.deferrals += 1
    try:
        yield
    finally:
        _state.deferrals -= 1


def requested() -> bool:
    """Whether a signal has asked the process to end."""
    return _state.received is not None


def raise_if_requested() -> None:
    """Raise `Interrupted` if a signal has asked the process to end."""
    if _state.received is not None:
        raise Interrupted(_state.received)


def _receive(number: int, _frame: object) -> None:
    if _state.received is None:
        _state.received = number
        if not _state.deferrals:
            raise Interrupted(number)


def _watch(reading: socket.socket, grace: float, last_words: str) -> None:
    """End the process by force `grace` seconds after the first signal, or at a SIGINT that follows it."""
    first = _next_signal(reading, SIGNALS)
    if first is None:
        return
    reading.settimeout(grace)
    try:
        if _next_signal(reading, (signal.SIGINT,)) is None:
            return
    except TimeoutError:
        pass
    # A table that was being drawn has hidden the cursor. sys.stderr is avoided: another thread may hold its lock.
    show_cursor = "\x1b[?25h\n" if os.isatty(_STDERR) else ""
    with suppress(OSError):
        os.write(_STDERR, (show_cursor + last_words).encode())
    os._exit(128 + first)


def _next_signal(reading: socket.socket, wanted: tuple[int, ...]) -> int | None:
    """The number of the next signal that is `wanted`; None once the other end is closed."""
    while byte := reading.recv(1):
        if byte[0] in wanted:
            return byte[0]
    return None
