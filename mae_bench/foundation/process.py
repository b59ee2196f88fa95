"""One process runs the code of many models: what one of them sets must not decide the numbers of another.

`kept_apart` keeps the state of the process that is listed in `foundation.process_settings` and `torch_settings`. It
knows settings. A function or class of torch that a model replaces by one of its own stays replaced, a thread that it
starts goes on, and nothing survives `os._exit`. Imports no torch.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from mae_bench.foundation.errors import Escape, describe
from mae_bench.foundation.process_settings import KEEP, SETTINGS
from mae_bench.foundation.torch_settings import TORCH_SETTINGS

_ALL = (*SETTINGS, *TORCH_SETTINGS)


@contextmanager
def kept_apart() -> Iterator[None]:
    """Within it the code of one model may set what it likes: it begins with the harness's own values, and what was set
    before comes back.

    A package that is first loaded within it gets the harness's own values. Exceptions leave it as in `escapes_caught`.
    """
    kept = [(setting, setting.value()) for setting in _ALL]
    use_own_settings()
    try:
        with escapes_caught():
            yield
    finally:
        for setting, value in kept:
            setting.put(setting.own if value is KEEP else value)


@contextmanager
def escapes_caught() -> Iterator[None]:
    """An exception that is no `Exception`, other than an interruption, leaves this context as `Escape`."""
    try:
        yield
    except (Exception, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise Escape(describe(error)) from error


def use_own_settings() -> None:
    """Set the harness's own values again, where it has any: what a constructor set does not decide the answers."""
    for setting in _ALL:
        setting.put(setting.own)
