"""mae-bench: a benchmark suite and leaderboard harness for variational autoencoders.

What an outside adapter and a notebook may rely on is re-exported here. Each name is loaded when it is first used, and
torch with the first that needs it, so that `mae-bench --help` stays fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

ENGINE_VERSION = 2
"""Part of every job's key. Raise it by hand with any change that alters a number: in a loss, an estimator, a sampler,
an initialisation. The golden-record test fails if this is forgotten."""

if TYPE_CHECKING:
    from mae_bench.adapter import (
        Adapter,
        DataSpec,
        DiagonalGaussian,
        FitContext,
        Images,
        ImportanceTerms,
        Loss,
        NotSupported,
        OutOfTime,
    )
    from mae_bench.api.evaluate import evaluate, load_data
    from mae_bench.api.results import Results, load_results
    from mae_bench.api.run import run

__all__ = [
    "ENGINE_VERSION",
    "Adapter",
    "DataSpec",
    "DiagonalGaussian",
    "FitContext",
    "Images",
    "ImportanceTerms",
    "Loss",
    "NotSupported",
    "OutOfTime",
    "Results",
    "__version__",
    "evaluate",
    "load_data",
    "load_results",
    "run",
]
_PLACES = {
    "Results": "mae_bench.api.results",
    "evaluate": "mae_bench.api.evaluate",
    "load_data": "mae_bench.api.evaluate",
    "load_results": "mae_bench.api.results",
    "run": "mae_bench.api.run",
}
"""The modules of those names that are not of `mae_bench.adapter`."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(_PLACES.get(name, "mae_bench.adapter")), name)
    raise AttributeError(f"module 'mae_bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
