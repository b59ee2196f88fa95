"""Boards in a terminal, or at full width in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mae_bench.report.layout import ABSENT, LEGEND, NO_BOARDS, Layout, lay_out
from mae_bench.review.badges import NO_BADGES, Badges

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mae_bench.boards.aggregate import Board

NARROWEST_MODEL_COLUMN = 23


def print_boards(
    boards: Sequence[Board],
    console: Console,
    badges: Badges = NO_BADGES,
    choose: Callable[[Board], Sequence[str] | None] = lambda board: None,
) -> None:
    """Print every board and then the legend. choose: the metrics of a board to show, None for all.

    A board that is too wide for the terminal has its metrics split over several tables. Each repeats the models, with
    their names folded; from the second table on, only the models with a number in it. No number is ever cut. Bold cells
    carry a star as well, for outputs without bold.
    """
    if not boards:
        _print_text(console, NO_BOARDS)
        return
    hidden = False
    for board in boards:
        shown = choose(board)
        print_layout(lay_out(board, badges, shown), console)
        hidden = hidden or (shown is not None and not set(board.metrics) <= set(shown))
    _print_text(console, LEGEND.replace("Bold:", "Bold, with a star:"))
    if hidden:
        _print_text(console, "More columns: mae-bench leaderboard --results DIR --all, or --columns (list metrics).")


def print_layout(layout: Layout, console: Console) -> None:
    """Print one board, or another text that is laid out like one, with an empty line after it."""
    _print_text(console, layout.heading, style="bold")
    _print_text(console, layout.caption)
    for metrics in _split(layout, console):
        _print_table(console, _table(layout, metrics, console))
    for note in layout.notes:
        _print_text(console, note)
    console.print()


def _table(layout: Layout, metrics: Sequence[int], console: Console) -> Table:
    """The table of the models, their seeds and the columns at the indices `metrics`."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    folded = max(NARROWEST_MODEL_COLUMN, console.width // 4) if console.is_terminal else None
    table.add_column(Text(layout.headings[0]), overflow="fold", max_width=folded)
    table.add_column(Text(layout.headings[1]))
    for column in metrics:
        table.add_column(Text(layout.headings[column]), justify="right")
    continued = bool(metrics) and metrics[0] > 2
    for row in layout.rows:
        if continued and all(row[column].text == ABSENT for column in metrics):
            continue
        cells = [row[column] for column in (0, 1, *metrics)]
        table.add_row(*(Text(f"* {cell.text}", style="bold") if cell.bold else Text(cell.text) for cell in cells))
    return table


def _split(layout: Layout, console: Console) -> list[list[int]]:
    """The indices of the metrics' columns, as many at a time as fit the terminal; all at once if there is none."""
    every = list(range(2, len(layout.headings)))
    if not console.is_terminal:
        return [every]
    groups: list[list[int]] = [[]]
    for column in every:
        wider = [*groups[-1], column]
        if groups[-1] and _natural_width(_table(layout, wider, console), console) > console.width:
            groups.append([column])
        else:
            groups[-1] = wider
    return groups


def _natural_width(table: Table, console: Console) -> int:
    from rich.measure import Measurement

    return Measurement.get(console, console.options.update(width=100_000), table).maximum


def _print_table(console: Console, table: Table) -> None:
    """Print at the table's own width, however narrow the console, for rich would cut numbers to fit."""
    from rich.segment import Segments

    options = console.options.update(width=_natural_width(table, console))
    console.print(Segments(console.render(table, options)), soft_wrap=True, end="")


def _print_text(console: Console, text: str, style: str = "") -> None:
    """Print one paragraph, wrapped at words on a terminal and in one line elsewhere."""
    from rich.text import Text

    console.print(Text(text, style=style), soft_wrap=not console.is_terminal)
