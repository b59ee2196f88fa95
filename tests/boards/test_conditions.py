"""Precision of training steps as a condition: what is ranked together, and what stands apart."""

import pytest

from mae_bench.boards.aggregate import boards
from mae_bench.boards.compare import compare


def training(precision, steps=20):
    return {
        "status": "complete",
        "reason": "patience",
        "epochs": 2 if steps else 0,
        "steps": steps,
        "best_epoch": 1,
        "parameters": 1000,
        "matrix_precision": precision,
    }


@pytest.fixture
def in_precision(make_record):
    def make(model, precision, preset="medium", steps=20, **more):
        return make_record(model, preset=preset, training=training(precision, steps), **more)

    return make


def standings(records, task):
    (board,) = boards(records, [task])
    return {row.label: row.standing for row in (*board.rows, *board.unranked)}


def test_rows_of_two_precisions_are_not_ranked_together_and_the_presets_own_comes_first(in_precision, digits_task):
    records = [in_precision("short", "bfloat16"), in_precision("long", "float32", created="2026-01-01T00:00:00Z")]
    for order in (records, records[::-1]):
        (board,) = boards(order, [digits_task])
        assert [row.label for row in board.rows] == ["short"]
        (apart,) = board.unranked
        assert apart.standing == "not comparable"
        assert apart.reason == "measured with precision of training steps float32 (ranked rows: bfloat16)"


def test_what_was_fitted_without_the_loop_is_ranked_with_either(in_precision, digits_task):
    for precision in ("bfloat16", "float32"):
        records = [in_precision("trained", precision), in_precision("counted", "float32", steps=0)]
        assert standings(records, digits_task) == {"trained": "ranked", "counted": "ranked"}
    assert standings([in_precision("counted", "float32", steps=0)], digits_task) == {"counted": "ranked"}


def test_two_precisions_of_one_model_are_two_rows(in_precision, digits_task):
    records = [in_precision("mae", "bfloat16", seed=0), in_precision("mae", "float32", seed=1)]
    (board,) = boards(records, [digits_task])
    assert [row.seeds for row in (*board.rows, *board.unranked)] == [(0,), (1,)]


def test_a_regression_is_not_judged_across_precisions(in_precision, digits_task):
    base, head = in_precision("mae", "bfloat16"), in_precision("mae", "float32")
    notes = {one.note for one in compare([base], [head], [digits_task])}
    assert notes == {"the records differ in precision of training steps"}
