"""The pages of boards: the numbers and the bold of the Markdown, rows kept apart, hostile text as text."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mae_bench.boards.aggregate import Board, Cell, Row, boards
from mae_bench.foundation.text import printable
from mae_bench.planning.task import ReportedRow
from mae_bench.records.store import read_record
from mae_bench.report.html.pages import board_address, render, render_board, render_index
from mae_bench.report.html.site import render_site
from mae_bench.report.markdown import render_boards
from mae_bench.review.badges import NO_BADGES, Badges
from mae_bench.review.verification import BADGES

HOSTILE = Path(__file__).parents[2] / "records" / "hostile"
TEXTS = [
    "<script>alert(1)</script>",
    "</td></tr></table><h1>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;b&gt;&#x41;",
    "\x1b[31mred\x07",
    "\u202eright to left",
    "\u2028\x00\r\n",
    "$x$ @everyone",
    "]]><!--",
]


def markdown_rows(found):
    """(text, whether bold) of every cell of the Markdown's one table."""
    tokens = MarkdownIt("commonmark").enable("table").parse(render_boards(found))
    rows = []
    for token, following in pairwise(tokens):
        if token.type == "tr_open":
            rows.append([])
        if token.type in ("td_open", "th_open"):
            shown = "".join(child.content for child in following.children)
            rows[-1].append((shown, any(child.type == "strong_open" for child in following.children)))
    return rows


def test_a_board_shows_the_cells_of_the_markdown_and_the_same_ones_bold(full_boards, read_page):
    headings, *expected = markdown_rows(full_boards)
    page = read_page(render_board(full_boards[0], NO_BADGES))
    shown = page.rows[2 : 2 + len(expected)]
    assert any(bold for row in expected for _, bold in row)
    assert [[tuple(cell) for cell in row[3:]] for row in shown] == [row[2:] for row in expected]
    assert [row[0][0].startswith(cells[0][0].split(" (")[0]) for row, cells in zip(shown, expected, strict=True)]
    assert [cell[0].split(",")[0].split(" nats")[0] for cell in page.rows[1]][:2] == ["model", "status"]
    assert len(page.rows[1]) == len(headings) + 1


def test_rows_come_ranked_then_not_ranked_with_the_reason_then_reported(full_boards, read_page):
    page = read_page(render_board(full_boards[0], NO_BADGES))
    kinds = [attributes["class"] for tag, attributes in page.elements if tag == "tr" and "class" in attributes]
    assert kinds == ["ranked", "ranked", "partial", "reported", "reported"]
    sections = [attributes["data-order"][:2] for tag, attributes in page.elements if "data-order" in attributes]
    assert sections == sorted(sections) and set(sections) == {"0|", "1|", "2|"}
    cut = next(row for row in page.rows if "vlae" in row[0][0])
    assert "partial: stopped by --max-minutes in epoch 3" in cut[0][0] and "partial" in cut[1][0]
    assert "my_flow: MPD, active units: it has no posterior" in page.text


def test_columns_sort_by_the_mean_and_say_what_is_better(full_boards, read_page):
    page = read_page(render_board(full_boards[0], NO_BADGES))
    directions = [attributes["data-direction"] for _, attributes in page.elements if "data-direction" in attributes]
    assert directions == ["lower", "none", "lower", "none", "none", "higher"]
    values = [
        attributes["data-order"] for tag, attributes in page.elements if tag == "td" and "data-order" in attributes
    ]
    assert values[2] == "0|20.125" and "2|77.98" in values and "0|" in values


def test_badges_stand_in_the_row_and_are_explained(full_boards, read_page):
    rows = full_boards[0].rows
    hashes = [frozenset(record.record_hash for record in row.records) for row in rows]
    for badges, words in ((NO_BADGES, ["unchecked", "unchecked"]), (Badges(hashes[0]), ["submitted", "unchecked"])):
        page = read_page(render_board(full_boards[0], badges))
        assert [row[1][0].strip() for row in page.rows[2:4]] == words
    page = read_page(render_board(full_boards[0], Badges(hashes[0] | hashes[1], hashes[1])))
    assert [row[1][0].strip() for row in page.rows[2:4]] == ["submitted", "verified"]
    index = read_page(render_index(full_boards, NO_BADGES))
    for word, sentence in BADGES.items():
        assert f"{word}{sentence}" in index.text


def test_images_of_grey_levels_are_shown_by_bits_a_dimension(make_record, digits_task, read_page):
    grey = digits_task.data.model_copy(update={"likelihood": "discretized_logistic_mixture"})
    task = digits_task.model_copy(update={"data": grey})
    metrics = [{"nll": 9.0, "bits_per_dim": 3.5, "kl": 1.0}, {"nll": 1.0, "bits_per_dim": 4.5, "kl": 2.0}]
    records = [make_record(model, 0, one, of=task) for model, one in zip(("mae", "vlae"), metrics, strict=True)]
    found = boards(records, [task])
    index = read_page(render_index(found, NO_BADGES))
    assert index.rows[0][1][0].startswith("bits/dim") and [row[1][0] for row in index.rows[1:3]] == ["3.500", "4.500"]
    assert "bits/dim against KL" in read_page(render_board(found[0], NO_BADGES)).text


def test_the_first_page_shows_the_best_rows_and_every_board(full_boards, read_page, make_record, digits_task):
    more = boards([make_record(model, seed) for model in "abcde" for seed in (0, 1)], [digits_task])
    index = read_page(render_index([*full_boards, *more], NO_BADGES))
    assert next(row[0][0] for row in index.rows if "mae" in row[0][0]).startswith("mae[")
    assert "2 ranked, 1 not ranked, 2 reported" in index.text and "5 ranked, 0 not ranked, 0 reported" in index.text
    assert sum(row[0][0].split()[0] in "abcde" for row in index.rows if row[0][0].split()) == 3
    assert "measure a model with mae-bench run" in read_page(render_index([], NO_BADGES)).text


def test_pages_hold_no_script_or_style_of_their_own_and_forbid_them(full_boards, read_page):
    for name, content in render_site(full_boards, NO_BADGES).items():
        if name.endswith(".html"):
            page = read_page(content)
            policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
            assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
            assert not any(tag == "style" or "style" in attributes for tag, attributes in page.elements)
            assert all("src" in attributes for tag, attributes in page.elements if tag == "script")
            assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def board_with(text):
    """A board with `text` in every field that comes from outside."""
    cells = {"nll": Cell(20.0, 0.1, 2, 0.1, reason=text), "kl": Cell(3.0, 0.1, 2, 0.1)}
    row = Row(text, "mae", {text: text}, (0, 1), cells, note=text)
    partial = Row(text, "mae", {text: text}, (0,), cells, standing="partial", reason=text)
    reported = ReportedRow(model=text, citation=text, metrics={"nll": 1.0, "kl": 2.0})
    return Board("digits", text, 1, "small", "nll", ("nll", "kl"), (row,), (partial,), (reported,), (text,))


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_text_is_shown_as_it_is_and_changes_no_structure(text, read_page):
    for page in (render_board(board_with(text), NO_BADGES), render_index([board_with(text)], NO_BADGES)):
        assert all(character.isprintable() or character == "\n" for character in page)
        assert printable(text) in read_page(page).text
    expected = read_page(render_board(board_with("harmless"), NO_BADGES)).structure
    assert read_page(render_board(board_with(text), NO_BADGES)).structure == expected


@pytest.mark.parametrize("path", sorted((HOSTILE / "shown").iterdir()), ids=lambda path: path.stem)
def test_a_hostile_record_changes_no_page_but_its_words(path, digits_task, read_page):
    harmless, hostile = (
        [read_page(page) for name, page in render_site(boards([read_record(file)], [digits_task]), NO_BADGES).items()
         if name.endswith(".html")]
        for file in (HOSTILE / "harmless.json", path)
    )  # fmt: skip
    assert len(hostile) == 3 and all(c.isprintable() or c == "\n" for page in hostile for c in page.text)
    tags = [{tag for tag, _ in page.structure} for page in (harmless[1], hostile[1])]
    assert tags[1] <= tags[0] | {"ul", "li", "svg", "p"} and hostile[0].structure == harmless[0].structure


@given(text=st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_stays_text(text, read_page):
    values = {"title": text, "board_heading": text, "board_address": "index.html", "name": text}
    page = read_page(render("index.html", "model.html", params={text: text}, sections=[], **values))
    assert printable(text) in page.text
    harmless = {"title": "x", "board_heading": "x", "board_address": "index.html", "name": "x"}
    expected = read_page(render("index.html", "model.html", params={"x": "x"}, sections=[], **harmless))
    assert page.structure == expected.structure


def test_addresses_of_boards(make_record, digits_task):
    found = boards(
        [make_record(preset=p, task={"version": v}) for p in ("small", "smoke") for v in (1, 2)], [digits_task]
    )
    assert {board_address(board) for board in found} == {
        f"site/digits-v{version}-{preset}/index.html" for preset in ("small", "smoke") for version in (1, 2)
    }
