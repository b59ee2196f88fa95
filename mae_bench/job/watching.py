"""Who is told of a training's epochs as they end. Imports nothing of ours."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

CurveWatcher: TypeAlias = Callable[[Sequence[Mapping[str, Any]]], None]
"""Given every epoch so far, each as a record has it."""


def unwatched(rows: Sequence[Mapping[str, Any]]) -> None:
    """Nobody."""
