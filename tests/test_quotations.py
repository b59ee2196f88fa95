"""What pages quote stands in what they quote."""

import re
from pathlib import Path

from mae_bench.review.verification import BADGES

ROOT = Path(__file__).resolve().parents[1]


def table_cells(text: str) -> set[tuple[str, str, str, str]]:
    """(heading, first cell of the row, column, cell) of every table: a quotation may leave out rows and columns."""
    found, heading, columns = set(), "", None
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            heading, columns = (line.lstrip("# ") if line.startswith("#") else heading), None
        elif columns is None:
            columns = cells
        elif not all(re.fullmatch(":?-+:?", cell) for cell in cells):
            found |= {(heading, cells[0], column, cell) for column, cell in zip(columns, cells, strict=True)}
    return found


def test_readme_quotes_the_board() -> None:
    readme, board = ((ROOT / page).read_text(encoding="utf-8") for page in ("README.md", "leaderboard/README.md"))
    quoted = readme.partition("<!-- board:begin -->")[2].partition("<!-- board:end -->")[0]
    assert table_cells(quoted)
    assert table_cells(quoted) <= table_cells(board)


def test_the_page_about_submitting_has_the_words_of_the_badges() -> None:
    page = (ROOT / "docs" / "submitting.md").read_text(encoding="utf-8")
    assert [name for name, sentence in BADGES.items() if f"| {name} | {sentence} |" not in page] == []
