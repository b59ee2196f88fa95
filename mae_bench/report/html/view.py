"""A board as its pages show it: rows with names and addresses, columns in groups. Made once, used by every page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest
from pathlib import Path

from mae_bench.boards.aggregate import Board, Row
from mae_bench.metrics.catalogue import FAMILIES as METRIC_FAMILIES
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.report.html.pictures import PagePicture, row_pictures
from mae_bench.report.html.preset import describe_preset, newest_record
from mae_bench.report.layout import (
    Column,
    Layout,
    TextCell,
    board_columns,
    compact_columns,
    format_sample,
    lay_out,
    meaning_of,
)
from mae_bench.report.plots import REPORTED
from mae_bench.report.systems import Naming, name_rows, page_name
from mae_bench.review.badges import Badges

UNITS = {"accuracy": "%", "units": "", "samples": ""}
BETTER = {"lower": "lower is better", "higher": "higher is better", "none": ""}
COMPACT = "compact"
"""The group of columns that every reader sees first."""
GROUPS = {COMPACT: "At a glance"} | {str(key): title for key, title in METRIC_FAMILIES.items()}
STDERR_MEANING = "the standard error over the test images, mean over seeds"


@dataclass(frozen=True)
class PageRow:
    """One row of a board's page.

    kind: the row's standing, or "reported". section: 0 ranked, 1 not ranked, 2 reported; however the table is sorted,
    sections stay apart. address: of the model's page, None for a reported row. cells: in the order of the columns.
    """

    kind: str
    section: int
    naming: Naming
    address: str | None
    reason: str | None
    badge: str | None
    seeds: int | None
    cells: tuple[TextCell, ...]


@dataclass(frozen=True)
class Heading:
    """The heading of a metric's column: its group, title, unit and meaning, and which direction is better, in words."""

    group: str
    title: str
    unit: str
    direction: str
    better: str
    meaning: str


@dataclass(frozen=True)
class BoardView:
    """One board, named and laid out.

    headings: of the columns, the compact group first. groups: (key, title, number of columns), likewise. rows: the
    measured ones in the order of `namings`, then the reported ones. preset: sentences about it. newest: the date of the
    newest record. pictures: of each measured row, none if it has none.
    """

    board: Board
    layout: Layout
    headings: tuple[Heading, ...]
    groups: tuple[tuple[str, str, int], ...]
    rows: tuple[PageRow, ...]
    namings: tuple[Naming, ...]
    badges: Badges
    preset: tuple[str, ...]
    newest: str | None
    pictures: tuple[tuple[PagePicture, ...], ...]

    @property
    def measured(self) -> tuple[Row, ...]:
        """The measured rows, in the order of `namings`."""
        return (*self.board.rows, *self.board.unranked)

    @property
    def folder(self) -> str:
        """Where the board's pages lie in the site's folder."""
        return board_folder(self.board)

    @property
    def address(self) -> str:
        """Where the board's own page lies in the site's folder."""
        return f"{self.folder}/index.html"

    @property
    def can_compare(self) -> bool:
        """Whether there are two rows to compare."""
        return len(self.rows) > 1

    @property
    def comparison(self) -> str:
        """Where the page that compares its rows lies."""
        return f"{self.folder}/compare.html"

    def models(self) -> dict[str, list[int]]:
        """The numbers of the rows that each model's page shows, by the page's name, in the order of the board."""
        found: dict[str, list[int]] = {}
        for number, naming in enumerate(self.namings):
            found.setdefault(naming.page, []).append(number)
        return found

    def model_address(self, page: str) -> str:
        """Where the page of a model lies."""
        return f"{self.folder}/{page}.html"

    def column(self, metric: str) -> int | None:
        """The number of the column of `metric`; None if the board has none."""
        titles = [heading.title for heading in self.headings]
        return titles.index(metric_kind(metric).title) if metric in self.board.metrics else None


def view_board(board: Board, badges: Badges, results: Path | None = None) -> BoardView:
    """The view of `board`. results: the store of its records, for the pictures beside them."""
    layout, namings = lay_out(board, badges), name_rows(board)
    columns = board_columns(board)
    compact = compact_columns(board) or list(board.metrics)
    places = sorted(range(len(columns)), key=lambda place: _group_place(columns[place], compact))
    headings = tuple(_heading(columns[place], compact) for place in places)
    groups = tuple(
        (key, GROUPS[key], len(list(found))) for key, found in groupby(headings, key=lambda heading: heading.group)
    )
    own = (*board.rows, *board.unranked)
    cells = [
        tuple(_cell(columns[place], row, laid_out[2 + place]) for place in places)
        for row, laid_out in zip_longest(own, layout.rows)
    ]
    rows = [
        PageRow(
            row.standing,
            0 if row.standing == "ranked" else 1,
            naming,
            f"{board_folder(board)}/{naming.page}.html",
            row.reason,
            badges.of(row),
            len(row.seeds),
            found,
        )
        for row, naming, found in zip(own, namings, cells, strict=False)
    ]
    for number, (laid_out, found) in enumerate(zip(layout.rows[len(own) :], cells[len(own) :], strict=True), 1):
        label = laid_out[0].text
        naming = Naming(label, label, REPORTED, "", f"{REPORTED}-{number}")
        rows.append(PageRow(REPORTED, 2, naming, None, None, REPORTED, None, found))
    preset = tuple(describe_preset(board))
    return BoardView(
        board,
        layout,
        headings,
        groups,
        tuple(rows),
        tuple(namings),
        badges,
        preset,
        newest_record(board),
        tuple(row_pictures(row, board_folder(board), results) for row in own),
    )


def board_folder(board: Board) -> str:
    """Where the pages of `board` lie in the site's folder."""
    return f"site/{board.task}-v{board.version}-{board.preset}"


def addresses(board: Board) -> list[str]:
    """Every page of `board`, in the site's folder: its own, the comparison of its rows, one for each model."""
    folder = board_folder(board)
    models = dict.fromkeys(page_name(row) for row in (*board.rows, *board.unranked))
    rows = len(board.rows) + len(board.unranked) + len(board.reported)
    compared = [f"{folder}/compare.html"] if rows > 1 else []
    return [f"{folder}/index.html", *compared, *(f"{folder}/{model}.html" for model in models)]


def _cell(column: Column, row: Row | None, laid_out: TextCell) -> TextCell:
    """A measured mean in the decimals that its spread leaves certain; anything else as the other outputs have it."""
    if row is None or column.stderr:
        return laid_out
    cell = row.cells[column.metric]
    return replace(laid_out, text=format_sample(column.metric, cell.mean, cell.std))


def _group_of(column: Column, compact: Sequence[str]) -> str:
    kind = metric_kind(column.metric)
    return COMPACT if column.metric in compact and not column.stderr else kind.family


def _group_place(column: Column, compact: Sequence[str]) -> int:
    return list(GROUPS).index(_group_of(column, compact))


def _heading(column: Column, compact: Sequence[str]) -> Heading:
    kind = metric_kind(column.metric)
    title = "test s.e." if column.stderr else kind.title
    direction = "none" if column.stderr else kind.direction
    meaning = STDERR_MEANING if column.stderr else meaning_of(column.metric)
    unit = UNITS.get(kind.unit, kind.unit)
    return Heading(_group_of(column, compact), title, unit, direction, BETTER[direction], meaning)
