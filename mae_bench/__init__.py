"""mae-bench: a benchmark suite and leaderboard harness for variational autoencoders.

The names an outside adapter may rely on are re-exported here. Torch is loaded only when one of them is first used, so
that `mae-bench --help` stays fast.
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
    )

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
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("mae_bench.adapter"), name)
    raise AttributeError(f"module 'mae_bench' has no attribute {name!r}")
