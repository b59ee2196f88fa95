"""Boards in Markdown: one board to the letter, and hostile text read back by a Markdown parser."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mae_bench.boards.aggregate import Board, Cell, Row, boards
from mae_bench.foundation.text import printable
from mae_bench.planning.task import ReportedRow
from mae_bench.report.layout import LEGEND
from mae_bench.report.markdown import escape, render_boards

GOLDEN = """\
## digits, preset small

Digits, dynamically binarised. Task version 2.

| model | seeds | NLL ↓ | test s.e. | bits/dim ↓ | MPD | active units | KNN 100 ↑ |
|:---|:---|---:|---:|---:|---:|---:|---:|
| mae\\[eta=1.0,gamma=0.5\\] | 2 | **20.12 ± 0.18** | 0.50 | 0.450 ± 0.000 | 30.50 ± 0.71 | 8.0 ± 0.0 | **90.5 ± 0.7** |
| my_flow | 2 | 29.12 ± 0.18 | 0.50 | 0.660 ± 0.000 | – | – | **90.5 ± 0.7** |
| vlae (seed 0) | partial | 40.00 | 1.50 | 0.900 | 3.00 | 1.0 | 50.0 |
| MAE (η=1.0, γ=0.5) \\[1\\] | reported | 77.98 | – | – | – | – | – |
| IWAE \\[2\\] | reported | 82.90 | – | – | – | – | – |

- my_flow: MPD, active units: it has no posterior
- vlae (seed 0): partial: stopped by --max-minutes in epoch 3
- \\[1\\] Ma, Zhou &amp; Hovy (ICLR 2019), Table 4
- \\[2\\] Burda et al. (2015)
"""


def test_one_board_to_the_letter(full_boards):
    text = render_boards(full_boards)
    legend, _, section = text.partition("\n\n")
    assert legend == LEGEND

    # The padding of the columns is the table library's own.
    assert re.sub(r" +", " ", re.sub(r"-{3,}", "---", section)) == GOLDEN


def test_the_same_records_give_the_same_bytes(make_record, digits_task):
    records = [make_record(model, seed, {"nll": 20.1 + seed}) for model in ("mae", "vlae") for seed in (0, 1, 2)]
    later = [
        make_record(model, seed, {"nll": 20.1 + seed}, created="2031-07-08T00:00:00+00:00")
        for model in ("vlae", "mae")
        for seed in (2, 0, 1)
    ]
    text = render_boards(boards(records, [digits_task]))
    assert text == render_boards(boards(later, [digits_task]))
    assert "2025" not in text


def test_nothing_to_show():
    assert "mae-bench run" in render_boards([])


def board_with(text):
    """A board with `text` in every field that comes from outside."""
    cell = Cell(20.0, 0.1, 2, 0.1, reason=text)
    row = Row(text, "mae", {}, (0, 1), {"nll": cell}, note=text)
    partial = Row(text, "mae", {}, (0,), {"nll": cell}, standing="partial", reason=text)
    reported = ReportedRow(model=text, citation=text, metrics={"nll": 1.0})
    return Board("digits", text, 1, "small", "nll", ("nll",), (row,), (partial,), (reported,), (text,))


def parsed(markdown):
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)


def shown(tokens):
    """What a reader sees of inline content, and the kinds of all inline tokens."""
    children = [child for token in tokens if token.type == "inline" for child in token.children]
    return "".join(child.content for child in children), {child.type for child in children}


HOSTILE = [
    "a|b",
    "<script>alert(1)</script>",
    "line\nbreak\r\n\n# heading",
    "\x1b[31mred\x07",
    "[click](javascript:alert)",
    "![x](https://example.org/x.png)",
    "`code` **bold** ~~gone~~ _it_ __it__",
    "\\|",
    "&lt;&#x41;",
    "https://example.org/",
    "www.evil.example",
    "(WWW.evil.example)",
    "\u202eright to left",
    "\u2028",
    "| - |\n|---|",
    "$x$ @everyone",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_it_is(text):
    markdown = render_boards([board_with(text)])
    assert not any(markup in markdown.lower() for markup in ("<", "$", "@", "://", "www."))
    tokens = parsed(markdown)
    kinds = [token.type for token in tokens]
    assert kinds.count("table_open") == 1 and kinds.count("tr_open") == 4
    assert kinds.count("td_open") == 12 and kinds.count("heading_open") == 1
    assert kinds.count("bullet_list_open") == 1 and "html_block" not in kinds
    _, inline = shown(tokens)
    assert inline <= {"text", "text_special"}
    rows = [token.content for token in tokens if token.type == "inline"]
    assert any(shown(parsed(content))[0].startswith(printable(text).strip()) for content in rows)


@given(st.text())
def test_any_text_survives_a_markdown_parser(text):
    tokens = parsed(f"a {escape(printable(text))} z")
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert shown(tokens) == (f"a {printable(text)} z", {"text", "text_special"} & shown(tokens)[1])


@given(st.text())
def test_any_text_stays_in_its_cell(text):
    tokens = parsed(f"| a | b |\n|---|---|\n| x{escape(printable(text))} | y |\n")
    cells = [token.content for token in tokens if token.type == "inline"]
    assert len(cells) == 4 and cells[3] == "y"
    assert shown(parsed(cells[2]))[0].strip() == f"x{printable(text)}".strip()


@given(st.text())
def test_printable_text_has_no_control_characters(text):
    assert printable(text).isprintable()
    assert printable(text) == text or not text.isprintable()
