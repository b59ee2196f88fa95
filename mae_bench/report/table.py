"""One board as a notebook shows it, as a terminal prints it, and as a frame."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mae_bench.boards.aggregate import Board
from mae_bench.foundation.text import printable
from mae_bench.report.layout import LEGEND, lay_out, row_label

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class BoardTable:
    """A board to look at; `board` has its numbers, conditions and notes."""

    board: Board

    def to_frame(self) -> pd.DataFrame:
        """One row a row of the board, in its order: model, standing and seeds, then mean and std of every metric.

        The columns of a metric are two under its name: `frame["nll"]["mean"]`. Accuracies are in [0, 1].
        """
        import pandas as pd

        about = [(name, "") for name in ("model", "standing", "seeds")]
        columns = [*about, *((metric, part) for metric in self.board.metrics for part in ("mean", "std"))]
        rows: list[dict[tuple[str, str], Any]] = []
        for row in (*self.board.rows, *self.board.unranked):
            rows.append(dict(zip(about, (row_label(row), row.standing, len(row.seeds)), strict=True)))
            for metric, cell in row.cells.items():
                rows[-1] |= {(metric, "mean"): cell.mean, (metric, "std"): cell.std}
        for reported in self.board.reported:
            rows.append(dict(zip(about, (printable(reported.model), "reported", None), strict=True)))
            for metric, value in reported.metrics.items():
                rows[-1] |= {(metric, "mean"): value, (metric, "std"): reported.spreads.get(metric)}
        frame = pd.DataFrame(rows, columns=pd.MultiIndex.from_tuples(columns))
        return frame.astype(dict.fromkeys(columns[len(about) :], float) | {("seeds", ""): "Int64"})

    def _repr_html_(self) -> str:
        from mae_bench.report.html.pages import render

        return render("", "table.html", layout=lay_out(self.board), legend=LEGEND)

    def __repr__(self) -> str:
        from rich.console import Console

        from mae_bench.report.terminal import print_layout

        text = io.StringIO()
        print_layout(lay_out(self.board), Console(file=text, force_terminal=False, force_jupyter=False))
        return text.getvalue().rstrip()
