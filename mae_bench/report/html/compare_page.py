"""The page that sets rows of one board side by side: their numbers for the page's script, which computes the tests."""

from math import isfinite
from typing import Any

from mae_bench.boards.significance import ALPHA
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.report.html.pages import render
from mae_bench.report.html.view import UNITS, BoardView
from mae_bench.report.layout import meaning_of


def render_comparison(view: BoardView) -> str:
    """The page that compares any two or three rows of `view`, from data within it."""
    return render(
        view.comparison,
        "compare.html",
        view=view,
        title=f"Compare rows of {view.layout.heading}",
        alpha=ALPHA,
        data=comparison_data(view),
    )


def comparison_data(view: BoardView) -> dict[str, Any]:
    """What the script needs: the metrics, and of every row its name, its page and (mean, std, n) of each metric.

    A metric that a row lacks is null. The script makes Welch's tests of these as `mae_bench.boards.significance` does,
    and Holm's correction over all differences that it shows.
    """
    board = view.board
    metrics = [
        {
            "title": kind.title,
            "unit": UNITS.get(kind.unit, kind.unit),
            "direction": kind.direction,
            "decimals": kind.decimals,
            "scale": 100 if kind.unit == "accuracy" else 1,
            "meaning": meaning_of(kind.name),
        }
        for kind in map(metric_kind, board.metrics)
    ]
    rows = [
        {
            "key": page_row.naming.key,
            "name": page_row.naming.short,
            "full": page_row.naming.full,
            "seeds": page_row.seeds,
            "values": [
                _sample(cell.mean, cell.std, cell.n) if (cell := row.cells.get(metric)) else None
                for metric in board.metrics
            ],
        }
        for page_row, row in zip(view.rows, view.measured, strict=False)
    ]
    reported = [
        {
            "key": page_row.naming.key,
            "name": page_row.naming.short,
            "full": page_row.naming.full,
            "seeds": None,
            "values": [_sample(row.metrics.get(metric), None, 1) for metric in board.metrics],
        }
        for page_row, row in zip(view.rows[len(view.measured) :], board.reported, strict=True)
    ]
    return {"alpha": ALPHA, "metrics": metrics, "rows": rows + reported}


def _sample(mean: float | None, std: float | None, n: int) -> list[float | None] | None:
    """What JSON can say of a sample: None without a finite mean, and no spread that is not finite."""
    if mean is None or not isfinite(mean):
        return None
    return [mean, std if std is not None and isfinite(std) else None, n]
