"""The first page of a site and the page of each board. Every text goes through `printable` and is escaped."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from itertools import groupby
from posixpath import dirname, relpath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from mae_bench.boards.aggregate import Board, Row
from mae_bench.foundation.text import printable
from mae_bench.metrics.catalogue import FAMILIES, metric_kind
from mae_bench.report.html.drawing import describe, draw, draw_key
from mae_bench.report.layout import LEGEND, NO_BOARDS, Column, Layout, TextCell, board_columns, lay_out
from mae_bench.report.plots import Plot, board_plots
from mae_bench.review.badges import Badges
from mae_bench.review.verification import BADGES

INDEX = "index.html"
ASSETS = "site/assets"
BEST = 3
"""How many of a board's ranked rows the first page shows at least; it shows every bold one."""
UNITS = {"accuracy": "%", "units": "", "samples": ""}
BETTER = {"lower": "lower is better", "higher": "higher is better", "none": ""}


@dataclass(frozen=True)
class PageRow:
    """One row of a board's page.

    kind: the row's standing, or "reported". section: 0 ranked, 1 not ranked, 2 reported; however the table is sorted,
    sections stay apart. address: of the model's page, None for a reported row.
    """

    kind: str
    section: int
    label: str
    address: str | None
    reason: str | None
    badge: str | None
    seeds: int | None
    cells: tuple[TextCell, ...]


@dataclass(frozen=True)
class Heading:
    """The heading of a metric's column: its group, its title, its unit, and which direction is better, in words too."""

    group: str
    title: str
    unit: str
    direction: str
    better: str


def render_index(boards: Sequence[Board], badges: Badges) -> str:
    """The first page: what this is, the best rows of every board, and what the badges mean."""
    summaries = []
    for board in sorted(boards, key=lambda board: not board.rows):
        rows = _page_rows(board, lay_out(board, badges), badges)
        place = board_columns(board).index(Column(board.primary)) if board.primary in board.metrics else None
        ranked = [(row, None if place is None else row.cells[place]) for row in rows if row.kind == "ranked"]
        best = [pair for number, pair in enumerate(ranked) if number < BEST or (pair[1] and pair[1].bold)]
        counts = {kind: sum(row.kind == kind for row in rows) for kind in ("ranked", "reported")}
        counts["not ranked"] = len(rows) - sum(counts.values())
        summaries.append((board, board_address(board), best, counts, _heading(Column(board.primary))))
    return render(
        INDEX, "index.html", boards=summaries, badges=BADGES, nothing=None if boards else NO_BOARDS, title="Leaderboard"
    )


def render_board(board: Board, badges: Badges) -> str:
    """The page of one board: its table, the notes beneath it, its plots."""
    layout = lay_out(board, badges)
    headings = [_heading(column) for column in board_columns(board)]
    rows = _page_rows(board, layout, badges)
    return render(
        board_address(board),
        "board.html",
        title=layout.heading,
        caption=layout.caption,
        headings=headings,
        groups=[(name, len(list(columns))) for name, columns in groupby(headings, key=lambda heading: heading.group)],
        rows=rows,
        notes=layout.notes,
        legend=LEGEND,
        badges=BADGES,
        plots=[page_plot(plot) for plot in board_plots(board)],
    )


def board_address(board: Board) -> str:
    """Where the page of `board` lies in the site's folder."""
    return f"site/{board.task}-v{board.version}-{board.preset}/index.html"


def model_address(board: Board, label: str) -> str:
    """Where the page of the model `label` on `board` lies, in a file named after the model and a hash of the label."""
    name = next(row.name for row in (*board.rows, *board.unranked) if row.label == label)
    return f"{dirname(board_address(board))}/{name}-{sha256(label.encode()).hexdigest()[:12]}.html"


def labels(board: Board) -> list[str]:
    """The models with a page of their own, in the order of the board."""
    return list(dict.fromkeys(row.label for row in (*board.rows, *board.unranked)))


def page_plot(plot: Plot) -> dict[str, Any]:
    """A plot for the template: the drawing, the legend and the table."""
    legend = {series.label: draw_key(series.style, plot.joined) for series in plot.series if series.style is not None}
    if any(series.style is None for series in plot.series):
        legend["reported by others"] = draw_key(None, plot.joined)
    return {"plot": plot, "description": describe(plot), "drawing": draw(plot), "legend": legend}


def render(address: str, template: str, **values: Any) -> str:
    """The page at `address`; `link(target)` in a template is the way there from it."""
    folder = dirname(address)
    return _environment().get_template(template).render(link=lambda target: relpath(target, folder or "."), **values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mae_bench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["breakable"] = _breakable
    return environment


def _shown(value: object) -> object:
    """What a template prints: our own markup as it is, anything else made printable, to be escaped after that."""
    return value if isinstance(value, Markup) else printable(str(value))


def _breakable(text: str) -> Markup:
    """A model's label, in which a line may break before each parameter."""
    return Markup(re.sub(r"(?<=\w)\[|,", r"\g<0><wbr>", str(escape(printable(text)))))


def _page_rows(board: Board, layout: Layout, badges: Badges) -> list[PageRow]:
    own = (*board.rows, *board.unranked)
    rows = [_measured_row(board, row, cells, badges) for row, cells in zip(own, layout.rows, strict=False)]
    return rows + [
        PageRow("reported", 2, cells[0].text, None, None, "reported", None, cells[2:])
        for cells in layout.rows[len(own) :]
    ]


def _measured_row(board: Board, row: Row, cells: tuple[TextCell, ...], badges: Badges) -> PageRow:
    return PageRow(
        row.standing,
        0 if row.standing == "ranked" else 1,
        cells[0].text,
        model_address(board, row.label),
        row.reason,
        badges.of(row),
        len(row.seeds),
        cells[2:],
    )


def _heading(column: Column) -> Heading:
    kind = metric_kind(column.metric)
    title = "test s.e." if column.stderr else kind.title
    direction = "none" if column.stderr else kind.direction
    return Heading(FAMILIES[kind.family], title, UNITS.get(kind.unit, kind.unit), direction, BETTER[direction])
