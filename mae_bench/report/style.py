"""How matplotlib is asked to draw: whatever style the user has chosen, the same figure gives the same bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@contextmanager
def style(settings: dict[Any, Any]) -> Iterator[None]:
    """Matplotlib's own defaults with `settings`, and identifiers in SVG that depend on nothing but what is drawn."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({"svg.hashsalt": "mae-bench", **settings})
        yield


def render(figure: Figure, file_format: Literal["png", "svg"], dpi: float | Literal["figure"] = "figure") -> bytes:
    """The figure as PNG or SVG, without dates and versions. To be called within `style`."""
    file = io.BytesIO()
    metadata = {"Software": None} if file_format == "png" else {"Date": None, "Creator": None}
    figure.savefig(file, format=file_format, dpi=dpi, metadata=metadata)
    return file.getvalue()
