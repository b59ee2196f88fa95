"""What a process holds that can move a number or break another model's job: each piece, and how it is read and set.

The tables of `foundation.process`; torch's own is in `foundation.torch_settings`. The harness's own values are those of
a fresh process.
"""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

KEEP: Final = object()
"""In place of a value: there is none, so nothing is set."""
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGPIPE")
_SKLEARN: Mapping[str, Any] = {
    "assume_finite": False,
    "working_memory": 1024,
    "pairwise_dist_chunk_size": 256,
    "enable_cython_pairwise_dist": True,
    "array_api_dispatch": False,
    "transform_output": "default",
    "enable_metadata_routing": False,
    "skip_parameter_validation": False,
}
"""Those options of scikit-learn that can change what a probe computes, or break it."""


@dataclass(frozen=True)
class Setting:
    """One piece of state.

    module: where it is. It is read and set only if that module is loaded; none is imported for it. read, write: are
    given the module. own: the value under which the harness measures, or `KEEP`.
    """

    module: str
    read: Callable[[Any], Any]
    write: Callable[[Any, Any], object]
    own: Any = KEEP

    def value(self) -> Any:
        """Its value now; `KEEP` if the module is not loaded, or if it cannot be read: the working directory is gone."""
        try:
            return self.read(sys.modules[self.module])
        except Exception:
            return KEEP

    def put(self, value: Any) -> None:
        """Have it be `value`; what cannot be set here, as a signal's handler outside the main thread, stays."""
        if value is KEEP or self.module not in sys.modules or self.value() == value:
            return
        with suppress(Exception):
            self.write(sys.modules[self.module], value)


def pair(module: str, getter: str, setter: str, own: Any = KEEP) -> Setting:
    """A setting that two functions of the module get and set."""
    return Setting(
        module, lambda found: getattr(found, getter)(), lambda found, value: getattr(found, setter)(value), own
    )


def attributes(module: str, *names: str, of: str = "") -> Setting:
    """Attributes of the module, or of its attribute `of`."""

    def holder(found: Any) -> Any:
        return getattr(found, of) if of else found

    def write(found: Any, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            setattr(holder(found), name, value)

    def read(found: Any) -> dict[str, Any]:
        return {name: getattr(holder(found), name) for name in names}

    return Setting(module, read, write)


def _contents(module: str, name: str) -> Setting:
    """The items of a list, which stays the same list."""

    def write(found: Any, items: tuple[Any, ...]) -> None:
        getattr(found, name)[:] = items

    return Setting(module, lambda found: tuple(getattr(found, name)), write)


def _write_environment(os: Any, values: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(values):
        del os.environ[name]
    os.environ.update(values)


def _write_filters(warnings: Any, filters: tuple[Any, ...]) -> None:
    warnings.resetwarnings()  # has Python forget, too, what it decided by the other filters
    warnings.filters[:] = filters


def _read_handlers(signal: Any) -> dict[int, Any]:
    return {number: signal.getsignal(number) for name in _SIGNALS if (number := getattr(signal, name, None))}


def _write_handlers(signal: Any, handlers: Mapping[int, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None and signal.getsignal(number) != handler:  # None: set by other code than Python's
            signal.signal(number, handler)


def _write_alarm(signal: Any, due: bool) -> None:
    if not due:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _write_logging(logging: Any, values: tuple[int, tuple[Any, ...], int]) -> None:
    level, handlers, disabled = values
    logging.root.setLevel(level)
    logging.root.handlers[:] = handlers
    logging.disable(disabled)


def _read_numpy_state(numpy: Any) -> tuple[Any, ...]:
    name, words, *rest = numpy.random.get_state()
    return name, words.tobytes(), *rest


def _write_numpy_state(numpy: Any, state: tuple[Any, ...]) -> None:
    name, words, *rest = state
    numpy.random.set_state((name, numpy.frombuffer(words, dtype=numpy.uint32), *rest))


SETTINGS: tuple[Setting, ...] = (
    pair("os", "getcwd", "chdir"),
    Setting("os", lambda os: dict(os.environ), _write_environment),
    attributes("sys", "path", "argv", "stdin", "stdout", "stderr", "excepthook", "displayhook", "dont_write_bytecode"),
    _contents("sys", "path"),
    _contents("sys", "argv"),
    pair("sys", "getrecursionlimit", "setrecursionlimit"),
    Setting("warnings", lambda warnings: tuple(warnings.filters), _write_filters),
    attributes("warnings", "showwarning", "formatwarning"),
    Setting("signal", _read_handlers, _write_handlers),
    Setting("signal", lambda signal: signal.getitimer(signal.ITIMER_REAL)[0] > 0, _write_alarm),
    Setting(
        "logging",
        lambda logging: (logging.root.level, tuple(logging.root.handlers), logging.root.manager.disable),
        _write_logging,
    ),
    Setting(
        "locale",
        lambda locale: locale.setlocale(locale.LC_ALL),
        lambda locale, name: locale.setlocale(locale.LC_ALL, name),
    ),
    Setting("gc", lambda gc: gc.isenabled(), lambda gc, enabled: gc.enable() if enabled else gc.disable(), True),
    Setting("gc", lambda gc: gc.get_threshold(), lambda gc, threshold: gc.set_threshold(*threshold)),
    pair("socket", "getdefaulttimeout", "setdefaulttimeout"),
    attributes("tempfile", "tempdir"),
    Setting(
        "multiprocessing",
        lambda processes: processes.get_start_method(allow_none=True),
        lambda processes, method: processes.set_start_method(method, force=True),
    ),
    pair("random", "getstate", "setstate"),
    Setting("numpy", _read_numpy_state, _write_numpy_state),
    Setting(
        "numpy",
        lambda numpy: numpy.geterr(),
        lambda numpy, errors: numpy.seterr(**errors),
        {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"},
    ),
    Setting("sklearn", lambda sklearn: sklearn.get_config(), lambda sklearn, options: sklearn.set_config(**options)),
    Setting(
        "sklearn",
        lambda sklearn: {name: value for name, value in sklearn.get_config().items() if name in _SKLEARN},
        lambda sklearn, options: sklearn.set_config(**options),
        _SKLEARN,
    ),
)
