"""Boards in a terminal: nothing is cut at any width, and a pipe gets full lines."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from mae_bench.boards.aggregate import boards
from mae_bench.foundation.content import content_folder
from mae_bench.planning.task import load_task
from mae_bench.report.layout import LEGEND, lay_out
from mae_bench.report.terminal import print_boards

METRICS = ("nll", "negative_elbo", "reconstruction_error", "kl", "mpd", "mpd_std", "kmeans_10", "knn_100", "linear_all")


@pytest.fixture
def wide_boards(make_record):
    """A board far wider than a terminal, with the paper's rows."""
    mnist = load_task(content_folder("tasks") / "mnist.toml")
    params = {"mae": {"diversity": "paper", "eta": 1.0, "gamma": 0.5}, "vlae": {"free_bits": 0.01}}
    records = [
        make_record(
            model, seed, {name: (90.0 + 7 * i + 0.3 * seed, 0.4) for i, name in enumerate(METRICS)}, params=p, of=mnist
        )
        for model, p in params.items()
        for seed in range(3)
    ]
    return boards(records, [mnist])


def printed(found, width, terminal, **options):
    file = io.StringIO()
    print_boards(found, Console(file=file, width=width, force_terminal=terminal, **options))
    return file.getvalue()


def numbers(text):
    return re.findall(r"\d+\.\d+ ± \d+\.\d+", text)


@pytest.mark.parametrize("width", [40, 80, 120, 400])
def test_no_number_is_cut_on_a_terminal(wide_boards, width):
    text = printed(wide_boards, width, True, color_system=None)
    (board,) = wide_boards
    expected = [cell.text for row in lay_out(board).rows for cell in row if "±" in cell.text]
    assert sorted(numbers(text)) == sorted(expected)
    assert "…" not in text
    if width >= 80:
        assert max(cell_len(line) for line in text.splitlines()) <= width


def test_a_narrow_terminal_gets_several_tables_with_the_models_in_each(wide_boards):
    assert printed(wide_boards, 400, True, color_system=None).count(" model ") == 1
    text = printed(wide_boards, 80, True, color_system=None)
    tables = text.count(" model ")
    assert tables > 2
    assert text.count("vlae[free_bits=0.01]") == tables
    first, *others = text.split(" model ")[1:]
    assert "IWAE [1]" in first  # which has an NLL and nothing else
    assert not any("IWAE [1]" in table for table in others)


def test_a_pipe_gets_every_row_in_one_line(wide_boards):
    text = printed(wide_boards, 40, False)
    assert text.count(" model ") == 1 and "…" not in text and "\x1b" not in text
    (line,) = [line for line in text.splitlines() if "mae[diversity=paper,eta=1.0,gamma=0.5]" in line]
    assert len(numbers(line)) == len(METRICS)
    (legend,) = [line for line in text.splitlines() if line.startswith("Mean ± standard deviation")]
    assert legend.endswith(LEGEND[-40:])


def test_bold_is_a_star_and_a_style(full_boards):
    plain = printed(full_boards, 200, False)
    assert "* 20.12 ± 0.18" in plain and "* 29.12" not in plain and plain.count("* 90.5 ± 0.7") == 2
    assert re.search(r"\x1b\[1m *\* 20\.12 ± 0\.18", printed(full_boards, 200, True, color_system="standard"))


def test_all_that_is_beneath_the_table(full_boards):
    text = printed(full_boards, 200, False)
    for expected in (
        "digits, preset small",
        "my_flow: MPD, active units: it has no posterior",
        "vlae (seed 0): partial: stopped by --max-minutes in epoch 3",
        "[1] Ma, Zhou & Hovy (ICLR 2019), Table 4",
        "IWAE [2]",
    ):
        assert expected in text


def test_markup_and_control_characters_are_shown_as_text(make_record, digits_task):
    record = make_record(params={"a": "[red]x[/red]", "b": "\x1b[2J\n"}, not_supported={"mpd": "[link=x]no[/link]\x07"})
    text = printed(boards([record], [digits_task]), 200, False)
    assert "[red]x[/red]" in text and "[link=x]no[/link]\\x07" in text
    assert "\x1b" not in text and "\x07" not in text


def test_nothing_to_show():
    assert "mae-bench run" in printed([], 80, True)
