"""Records and boards as frames: every number is where a reader of the page finds it, and in the unit it names."""

import pandas as pd
import pytest

from mae_bench.boards.aggregate import boards
from mae_bench.planning.task import ReportedRow
from mae_bench.report.frames import BOARD_COLUMNS, CELL_COLUMNS, boards_frame, records_frame
from mae_bench.report.table import BoardTable


@pytest.fixture
def records(make_record):
    return [
        make_record("vlae", seed, {"nll": (20.0 + seed, 0.5), "knn_100": 0.9}, not_supported={"mpd": "it has none"})
        for seed in (0, 2)
    ]


def test_a_row_for_every_model_task_seed_and_metric(records, make_record):
    other = make_record("mae", 1, {"nll": (None, None, "it was infinite")}, params={"eta": 2.0})
    frame = records_frame([*records, other])
    assert len(frame) == 2 * 3 + 1
    nll = frame[(frame.metric == "nll") & (frame.seed == 2)].iloc[0]
    assert (nll.value, nll.stderr, nll.n, nll.unit, nll.model) == (22.0, 0.5, 500, "nats", "vlae")
    assert (nll.task, nll.preset, nll.status) == ("digits", "small", "complete")
    missing = frame[frame.metric == "mpd"].iloc[0]
    assert missing.isna().value and missing.reason == "it has none" and missing.unit == "nats"
    infinite = frame[frame.model == "mae[eta=2.0]"].iloc[0]
    assert (infinite["name"], infinite.reason) == ("mae", "it was infinite") and infinite.isna().value
    assert list(records_frame([]).columns) == list(frame.columns)


def test_the_numbers_of_a_board_are_those_of_its_cells(full_boards):
    frame = boards_frame(full_boards)
    assert list(frame.columns) == [*BOARD_COLUMNS, *CELL_COLUMNS]
    (board,) = full_boards
    for row in (*board.rows, *board.unranked):
        for metric, cell in row.cells.items():
            found = frame[frame.model.str.startswith(row.label) & (frame.metric == metric)].iloc[0]
            expected = pd.Series([cell.mean, cell.std, cell.stderr], ["mean", "std", "stderr"], dtype=float)
            pd.testing.assert_series_equal(found[list(expected.index)].astype(float), expected, check_names=False)
            assert (found.bold, found.standing, found.seeds) == (cell.bold, row.standing, len(row.seeds))
    reported = frame[frame.standing == "reported"]
    assert list(reported["mean"]) == [77.98, 82.9, 0.9]
    assert reported.seeds.isna().all() and not reported.bold.any()


def test_what_was_reported_with_a_spread_has_it(digits_task):
    reported = ReportedRow(model="A", citation="B", metrics={"nll": 1.0}, spreads={"nll": 0.5})
    task = digits_task.model_copy(update={"reported": (reported,)})
    (row,) = boards_frame(boards([], [task])).itertuples()
    assert (row.mean, row.std, row.standing) == (1.0, 0.5, "reported")


def test_a_board_at_hand_is_a_frame_with_two_columns_a_metric(full_boards):
    (board,) = full_boards
    frame = BoardTable(board).to_frame()
    assert list(frame["standing"]) == ["ranked", "ranked", "partial", "reported", "reported"]
    assert list(frame["seeds"][:3]) == [2, 2, 1] and frame["seeds"][3:].isna().all()
    assert [str(dtype) for dtype in frame["nll"].dtypes] == ["float64", "float64"]
    assert list(frame["nll"]["mean"][:2]) == [row.cells["nll"].mean for row in board.rows]
    assert list(frame["nll"]["std"][:2]) == [row.cells["nll"].std for row in board.rows]
    assert frame["nll"]["mean"][3] == 77.98


def test_a_board_at_hand_shows_what_the_terminal_shows_and_is_a_table_in_a_notebook(
    full_boards, make_record, monkeypatch
):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a notebook's kernel sets it
    (board,) = full_boards
    shown = repr(BoardTable(board))
    assert shown.startswith("digits, preset small\n") and "* 20.12 ± 0.18" in shown
    assert "[2] Burda et al. (2015)" in shown
    page = BoardTable(board)._repr_html_()
    assert "<strong>20.12 ± 0.18</strong>" in page and '<th scope="row">my_flow</th>' in page
    assert "Ma, Zhou &amp; Hovy" in page
    hostile = make_record("m", 0, {"nll": (None, None, "<script>x</script>")})
    (board,) = boards([hostile], [])
    assert "<script" not in BoardTable(board)._repr_html_()
