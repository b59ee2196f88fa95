"""SIGTERM and Ctrl-C: stop where nothing is lost, and within seconds whatever happens. Does not import torch.

Every file is written whole or not at all, so a process may be stopped anywhere. Only a training that was not yet saved
loses work; it stops at its next step, after a checkpoint (`deferred`).
"""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

GRACE_SECONDS = 8.0
"""From the signal to the end of the process, at most: a machine that is taken away often gives no more than ten."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STDERR = 2


class Interrupted(KeyboardInterrupt):
    """A signal asked the process to end; its exit status is 130 (SIGINT) or 143 (SIGTERM), as a shell's would be."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_status = 128 + number


@dataclass
class _State:
    """Of the process, as signals are."""

    received: int | None = None
    deferrals: int = 0


_state = _State()


@contextmanager
def stops_on_signals(grace: float = GRACE_SECONDS, last_words: str = "") -> Iterator[None]:
    """Within it, in the main thread: the first SIGINT or SIGTERM raises `Interrupted`, at once or where `deferred`
    code asks for it. A SIGINT after that ends the process on the spot, and so do `grace` seconds in which it did not
    end; further SIGTERMs change nothing, since a system may well send one to every process and then one more. A process
    that is ended so writes `last_words` to stderr.
    """
    handlers = {number: signal.signal(number, _receive) for number in SIGNALS}
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    # Python runs its handlers between two of its own instructions; this descriptor is written to at once, so that the
    # watcher counts the seconds of a long call into a library too.
    descriptor = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
    watcher = threading.Thread(target=_watch, args=(reading, grace, last_words), daemon=True)
    watcher.start()
    try:
        yield
    except KeyboardInterrupt:  # where a library raised one of its own in place of ours, the signal is still known
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
    """Within it a signal is only noted: the code asks with `requested`, saves, and calls `raise_if_requested`."""
    _state.deferrals += 1
    try:
        yield
    finally:
        _state.deferrals -= 1


def requested() -> bool:
    """Whether a signal has asked the process to end."""
    return _state.received is not None


def raise_if_requested() -> None:
    """`Interrupted` where a signal has asked the process to end."""
    if _state.received is not None:
        raise Interrupted(_state.received)


def _receive(number: int, _frame: object) -> None:
    if _state.received is None:
        _state.received = number
        if not _state.deferrals:
            raise Interrupted(number)


def _watch(reading: socket.socket, grace: float, last_words: str) -> None:
    """End the process by force at a SIGINT after the first signal, or `grace` seconds after that."""
    first = _next_signal(reading, SIGNALS)
    if first is None:
        return
    reading.settimeout(grace)
    try:
        if _next_signal(reading, (signal.SIGINT,)) is None:
            return
    except TimeoutError:
        pass
    # A table that was being drawn has hidden the cursor. Not through sys.stderr, whose lock another thread may hold.
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
