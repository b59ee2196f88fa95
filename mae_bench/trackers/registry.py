"""A name -> a tracker: built in, or of an installed package under the entry point `mae_bench.trackers` (a class).

Names are checked here without an import; the class is loaded in the process that uses it.
"""

import importlib
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from mae_bench.foundation.errors import UsageError, describe
from mae_bench.planning.names import did_you_mean
from mae_bench.trackers import Tracker

ENTRY_POINTS = "mae_bench.trackers"
BUILT_IN = {
    "mlflow": "mae_bench.trackers.mlflow:MLflow",
    "tensorboard": "mae_bench.trackers.tensorboard:TensorBoard",
    "wandb": "mae_bench.trackers.wandb:WandB",
}


def check_names(given: str | Iterable[str]) -> list[str]:
    """The names, of which each string may hold several with commas, once each.

    UsageError for one that is not known, or that two packages offer.
    """
    texts = [given] if isinstance(given, str) else list(given)
    names = list(dict.fromkeys(name.strip() for text in texts for name in text.split(",")))
    for name in names:
        _find(name)
    return names


def load_tracker(name: str) -> type[Tracker]:
    """The class; UsageError if there is none of that name, or if it cannot be imported."""
    point = EntryPoint(name=name, value=_find(name), group=ENTRY_POINTS)
    try:
        loaded: type[Tracker] = point.load()
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"the tracker {name} cannot be imported from {point.value} ({describe(error)}); correct its package."
        ) from error
    return loaded


def load_package(package: str, extra: str) -> Any:
    """A tracker's package; UsageError if it is not installed."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == package.partition(".")[0]
        reason = "" if missing else f", which cannot be imported ({describe(error)})"
        raise UsageError(
            f"the tracker {extra} needs its package{reason}; install it with pip install 'mae-bench[{extra}]'."
        ) from error


def _find(name: str) -> str:
    """The class that the only tracker of that name is, as `package.module:Class`."""
    points = entry_points(group=ENTRY_POINTS)
    offers = [BUILT_IN[name]] if name in BUILT_IN else []
    offers += [point.value for point in points if point.name == name]
    if not offers:
        raise UsageError(f"there is no tracker {name!r}{did_you_mean(name, {*BUILT_IN, *points.names}, 'trackers')}")
    if len(offers) > 1:
        raise UsageError(
            f"the tracker {name!r} is offered several times ({' and '.join(offers)}); uninstall a package."
        )
    return offers[0]
