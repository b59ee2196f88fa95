"""Boards as GitHub Markdown: one table a board. The same records give the same bytes."""

import re
from collections.abc import Sequence

from mae_bench.boards.aggregate import Board
from mae_bench.report.layout import LEGEND, NO_BOARDS, Layout, TextCell, lay_out
from mae_bench.review.badges import NO_BADGES, Badges

ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "$": "&#36;", "@": "&#64;", ":": "&#58;", ".": "&#46;"}
"""Characters that a backslash does not disarm everywhere: of HTML, GitHub's mathematics, mentions and bare links."""


def render_boards(boards: Sequence[Board], badges: Badges = NO_BADGES) -> str:
    """All boards: one legend, then a section for each."""
    if not boards:
        return f"{escape(NO_BOARDS)}\n"
    return "\n".join([f"{escape(LEGEND)}\n", *(render_layout(lay_out(board, badges)) for board in boards)])


def escape(text: str) -> str:
    """`text` escaped so that Markdown shows it as it is in a paragraph, a list item or a cell of a table."""
    text = re.sub(r"[\\`*~|#!\[\]]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\\g<0>", text)
    return re.sub(r"[&<>$@]|:(?=//)|(?<=[Ww]{3})\.", lambda found: ENTITIES[found[0]], text)


def render_layout(layout: Layout) -> str:
    """One section: heading, caption, table, notes."""
    from tabulate import tabulate

    table = tabulate(
        [[_cell(cell) for cell in row] for row in layout.rows],
        headers=[escape(heading) for heading in layout.headings],
        tablefmt="pipe",
        colalign=("left", "left", *("right" for _ in layout.headings[2:])),
        disable_numparse=True,
    )
    notes = "".join(f"- {escape(note)}\n" for note in layout.notes)
    parts = [f"## {escape(layout.heading)}\n", f"{escape(layout.caption)}\n", f"{table}\n", notes]
    return "\n".join(part for part in parts if part)


def _cell(cell: TextCell) -> str:
    return f"**{escape(cell.text)}**" if cell.bold else escape(cell.text)
