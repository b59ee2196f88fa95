"""Badges: who has looked at a row's records, and where each report shows it."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from mae_bench.boards.aggregate import boards
from mae_bench.records.schema import seal
from mae_bench.records.store import Store
from mae_bench.report.markdown import render_boards
from mae_bench.report.terminal import print_boards
from mae_bench.review.badges import NO_BADGES, Badges, read_badges, read_verified
from mae_bench.review.verification import compare_with_rerun, write_verification


@pytest.fixture
def store(honest_record, digits_task, tmp_path):
    """Two models of two seeds each; a rerun agreed with both records of mae and with one of vlae."""
    store = Store(tmp_path / "results")
    for seed in (0, 1):
        for model in ("mae", "vlae"):
            record = honest_record(model, seed, nll=20.0 + seed)
            path = store.save(record)
            if (model, seed) != ("vlae", 1):
                how = "re-evaluated from the checkpoint"
                write_verification(path, compare_with_rerun(record, record, how, digits_task))
    return store


def badges_of_rows(store, task, badges):
    (board,) = boards(store.records(), [task])
    return {row.name: badges.of(row) for row in (*board.rows, *board.unranked)}


def test_a_row_bears_the_badge_that_all_its_records_bear(store, digits_task):
    badges = read_badges(store.root, [digits_task])
    assert badges_of_rows(store, digits_task, badges) == {"mae": "verified", "vlae": "submitted"}
    assert badges_of_rows(store, digits_task, NO_BADGES) == {"mae": None, "vlae": None}


def test_a_row_with_an_impossible_number_bears_none_even_where_a_verification_vouches(store, digits_task):
    content = next(record for record in store.records() if record.model.name == "mae").model_dump()
    content["metrics"]["knn_all"]["value"] = 1.2
    forged = seal(content)
    how = "re-evaluated from the checkpoint"
    write_verification(store.save(forged), compare_with_rerun(forged, forged, how, digits_task))
    badges = read_badges(store.root, [digits_task])
    assert badges_of_rows(store, digits_task, badges) == {"mae": None, "vlae": "submitted"}


def test_where_nothing_is_verified_nothing_is_checked(honest_record, digits_task, tmp_path):
    store = Store(tmp_path / "results")
    store.save(honest_record())
    assert read_verified(store.root, [digits_task]) == NO_BADGES
    assert len(read_badges(store.root, [digits_task]).checked) == 1


def test_a_row_without_records_bears_none(make_record, digits_task):
    (board,) = boards([make_record(seed=seed) for seed in (0, 1)], [digits_task])
    row = board.rows[0]
    hashes = frozenset(record.record_hash for record in row.records)
    assert len(hashes) == 2 and Badges(hashes).of(row) == "submitted"
    assert Badges(hashes, hashes).of(replace(row, records=())) is None


def test_markdown_and_terminal_mark_verified_rows(store, digits_task):
    badges = read_verified(store.root, [digits_task])
    found = boards(store.records(), [digits_task])
    file = io.StringIO()
    print_boards(found, Console(file=file, width=400), badges)
    for text in (render_boards(found, badges), file.getvalue()):
        rows = {line.strip("| ").split()[0]: line for line in text.splitlines() if line.strip("| ")}
        assert "2, verified" in rows["mae"] and "verified" not in rows["vlae"]
    assert ", verified" not in render_boards(found)
