"""Boards: what is averaged, what is kept apart, what is ranked."""

from itertools import permutations

import numpy as np
import pytest

from mae_bench.boards.aggregate import boards
from mae_bench.foundation.content import content_folder
from mae_bench.planning.task import load_task

OTHER = "f" * 64


@pytest.fixture
def mnist_task():
    return load_task(content_folder("tasks") / "mnist.toml")


def only_board(records, *tasks):
    (board,) = boards(records, tasks)
    return board


def test_mean_and_spread_over_seeds(make_record, digits_task):
    values = [20.1, 20.4, 20.9]
    records = [make_record(seed=s, metrics={"nll": (v, 0.1 * (s + 1))}) for s, v in enumerate(values)]
    board = only_board(records, digits_task)
    (row,) = board.rows
    cell = row.cells["nll"]
    assert (board.task, board.title, board.version, board.preset) == ("digits", digits_task.title, 2, "small")
    assert row.label == "mae" and row.seeds == (0, 1, 2) and row.standing == "ranked"
    assert cell.n == 3
    assert cell.mean == pytest.approx(sum(values) / 3)
    assert cell.std == pytest.approx(np.sqrt(sum((v - sum(values) / 3) ** 2 for v in values) / 2))
    assert cell.stderr == pytest.approx(0.2)


def test_what_the_draws_leave_in_the_mean_does_not_shrink_with_seeds(make_record, digits_task):
    def with_draws(seed, draws):
        record = make_record(seed=seed, metrics={"knn_100": sum(draws) / 3})
        knn = record.metrics["knn_100"].model_copy(update={"draws": draws})
        return record.model_copy(update={"metrics": {"knn_100": knn}})

    two = [with_draws(0, (0.6, 0.7, 0.8)), with_draws(1, (0.5, 0.7, 0.9))]
    (row,) = only_board(two, digits_task).rows
    cell = row.cells["knn_100"]
    assert cell.draw_std == pytest.approx((0.1 + 0.2) / 2)
    assert cell.draw_stderr == pytest.approx(0.15 / np.sqrt(3))  # the draws' means are 0.55, 0.7, 0.85
    (row,) = only_board([with_draws(seed, (0.6, 0.7, 0.8)) for seed in range(4)], digits_task).rows
    assert row.cells["knn_100"].std == 0.0
    assert row.cells["knn_100"].draw_stderr == pytest.approx(0.1 / np.sqrt(3))


def test_one_seed_has_no_spread(make_record, digits_task):
    cell = only_board([make_record()], digits_task).rows[0].cells["nll"]
    assert (cell.mean, cell.std, cell.n, cell.stderr) == (20.0, None, 1, None)


def test_equal_values_have_exactly_no_spread(make_record, digits_task):
    records = [
        make_record(seed=s, metrics={"knn_100": 0.1}) for s in range(3)
    ]  # 0.1 three times: rounding leaves 2e-17
    assert only_board(records, digits_task).rows[0].cells["knn_100"].std == 0.0


def test_the_order_of_the_records_leaves_no_trace(make_record, digits_task):
    records = [make_record(model, seed, {"nll": 20 + 0.1 * seed}) for model in ("mae", "vlae") for seed in (0, 1)]
    first = boards(records, [digits_task])
    assert all(boards(list(order), [digits_task]) == first for order in permutations(records))


def test_parameters_tell_models_apart(make_record, digits_task):
    records = [make_record(params={"eta": eta}, metrics={"nll": 20 + eta}) for eta in (2.0, 1.0)]
    assert [row.label for row in only_board(records, digits_task).rows] == ["mae[eta=1.0]", "mae[eta=2.0]"]


def test_another_source_is_another_row_with_a_note(make_record, digits_task):
    records = [make_record(seed=s, source=source) for s, source in [(0, "a" * 64), (1, "a" * 64), (1, OTHER)]]
    rows = only_board(records, digits_task).rows
    assert sorted((row.seeds, row.note) for row in rows) == [
        ((0, 1), "adapter code aaaaaaaa"),
        ((1,), "adapter code ffffffff"),
    ]


@pytest.mark.parametrize(
    ("compiled", "note"),
    [
        ((False, False), None),
        ((True, False), "steps compiled in 1 of 2 runs"),
        ((True, True), None),
    ],
)
def test_runs_with_compiled_steps_are_averaged_with_others_and_the_row_says_so(
    make_record, digits_task, compiled, note
):
    records = [make_record(seed=seed, training={"compiled": one}) for seed, one in enumerate(compiled)]
    (row,) = only_board(records, digits_task).rows
    assert (row.seeds, row.standing, row.note) == ((0, 1), "ranked", note)


def test_a_note_on_compiled_steps_stands_beside_another(trained_elsewhere, digits_task):
    records = [
        record.model_copy(update={"training": record.training.model_copy(update={"compiled": compiled})})
        for record, compiled in ((trained_elsewhere(seed=0), False), (trained_elsewhere(seed=1), True))
    ]
    (row,) = only_board(records, digits_task).unranked
    assert row.note == "trained on digits smoke, steps compiled in 1 of 2 runs"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hashes": {"protocol": OTHER}}, "protocol ffffffff"),
        ({"hashes": {"data": OTHER}}, "data ffffffff"),
        ({"hashes": {"test_bits": OTHER}}, "test bits ffffffff"),
        ({"hashes": {"validation_bits": None}}, "validation bits none"),
        ({"engine_version": 0}, "engine version 0"),
        ({"precision": "float16"}, "precision float16"),
    ],
)
def test_other_conditions_are_neither_averaged_nor_ranked(make_record, digits_task, change, words):
    ours = [make_record(seed=s, created="2025-02-01T00:00:00+00:00") for s in (0, 1)]
    board = only_board([*ours, make_record(seed=2, metrics={"nll": 1.0}, **change)], digits_task)
    assert [row.seeds for row in board.rows] == [(0, 1)]
    (other,) = board.unranked
    assert other.standing == "not comparable" and other.seeds == (2,)
    assert words in other.reason
    assert not any(cell.bold for row in (*board.rows, *board.unranked) for cell in row.cells.values())


def test_the_declared_protocol_ranks_however_old(make_record, digits_task):
    newer = make_record(seed=1, hashes={"protocol": OTHER}, created="2030-01-01T00:00:00+00:00")
    board = only_board([make_record(), newer], digits_task)
    assert [row.seeds for row in board.rows] == [(0,)]
    assert board.notes == ()


def test_a_board_on_an_old_protocol_says_so(make_record, digits_task):
    board = only_board([make_record(hashes={"protocol": OTHER})], digits_task)
    assert len(board.rows) == 1
    assert "ffffffff" in board.notes[0] and digits_task.protocol_hash("small")[:8] in board.notes[0]


def test_an_old_task_version_has_its_own_board(make_record, digits_task):
    found = boards([make_record(), make_record(task={"version": 1})], [digits_task])
    assert [(board.version, bool(board.notes)) for board in found] == [(2, False), (1, True)]


def test_presets_never_mix(make_record, digits_task):
    found = boards([make_record(preset=p) for p in ("paper", "small", "smoke")], [digits_task])
    assert [board.preset for board in found] == ["smoke", "small", "paper"]
    assert all(len(board.rows) == 1 for board in found)


def test_a_run_counts_once_and_the_newest_complete_one(make_record, digits_task):
    old = make_record(metrics={"nll": 1.0}, created="2025-01-01T00:00:00+00:00")
    new = make_record(metrics={"nll": 2.0}, created="2025-01-02T00:00:00+00:00")
    cut = make_record(training={"status": "partial", "reason": "time"}, created="2025-01-03T00:00:00+00:00")
    for order in permutations([old, new, cut]):
        board = only_board(order, digits_task)
        assert [(row.cells["nll"].mean, row.cells["nll"].n) for row in board.rows] == [(2.0, 1)]
        assert board.unranked == ()


def test_partial_records_are_shown_and_not_ranked(make_record, digits_task):
    cut = {"status": "partial", "reason": "stopped by --max-minutes"}
    records = [make_record(seed=s, metrics={"nll": 20.0 + s}) for s in (0, 1)]
    records += [make_record("vlae", s, {"nll": 25.0 + s}) for s in (0, 1)]
    records += [make_record("fast", s, {"nll": 1.0 + s}, training=cut) for s in (0, 1)]
    board = only_board(records, digits_task)
    assert [row.label for row in board.rows] == ["mae", "vlae"]
    assert [(row.label, row.seeds, row.standing, row.reason) for row in board.unranked] == [
        ("fast", (0,), "partial", cut["reason"]),
        ("fast", (1,), "partial", cut["reason"]),
    ]
    assert not any(row.cells["nll"].bold for row in board.unranked)


def test_a_seed_that_is_not_finite_takes_the_mean(make_record, digits_task):
    records = [
        make_record(seed=0, metrics={"nll": 20.0, "mpd": 1.0}),
        make_record(seed=1, metrics={"nll": (None, None, "2 of 500 images"), "mpd": 3.0}),
    ]
    cells = only_board(records, digits_task).rows[0].cells
    assert cells["nll"].mean is None and cells["nll"].reason == "seed 1: 2 of 500 images"
    assert cells["mpd"].mean == 2.0


def test_absent_metrics_carry_their_reason(make_record, digits_task):
    lacking = make_record("flow", not_supported={"mpd": "it has no posterior"})
    board = only_board([make_record(metrics={"nll": 20.0, "mpd": 1.0, "kl": 2.0}), lacking], digits_task)
    assert board.metrics == ("nll", "kl", "mpd")
    flow = next(row for row in board.rows if row.label == "flow")
    assert flow.cells["mpd"].reason == "it has no posterior"
    assert flow.cells["kl"].reason == "not measured at seed 0"


def test_a_remark_beside_a_value_is_kept_once(make_record, digits_task):
    records = [make_record(seed=s, metrics={"linear_100": (0.9, 0.01, "1 of 5 fits")}) for s in (0, 1)]
    cell = only_board(records, digits_task).rows[0].cells["linear_100"]
    assert cell.mean == 0.9 and cell.reason == "1 of 5 fits"


def test_ranked_by_the_primary_metric(make_record, digits_task):
    records = [make_record(name, metrics={"nll": nll}) for name, nll in (("b", 21.0), ("a", 22.0), ("c", 20.0))]
    records.append(make_record("aa", metrics={"mpd": 1.0}))
    assert [row.label for row in only_board(records, digits_task).rows] == ["c", "b", "a", "aa"]
    grey = digits_task.model_copy(
        update={"data": digits_task.data.model_copy(update={"likelihood": "discretized_logistic_mixture"})}
    )
    assert only_board(records, grey).primary == "bits_per_dim"


def test_bold_follows_each_metrics_direction(make_record, digits_task):
    values = {"best": (20.0, 0.95), "near": (20.1, 0.94), "far": (40.0, 0.2)}
    records = [
        make_record(name, seed, {"nll": nll + 0.1 * seed, "knn_100": knn + 0.01 * seed, "mpd": nll + 0.1 * seed})
        for name, (nll, knn) in values.items()
        for seed in range(3)
    ]
    bold = {
        metric: {row.label for row in only_board(records, digits_task).rows if row.cells[metric].bold}
        for metric in ("nll", "knn_100", "mpd")
    }
    assert bold == {"nll": {"best", "near"}, "knn_100": {"best", "near"}, "mpd": set()}


def test_one_seed_each_makes_nothing_bold(make_record, digits_task):
    board = only_board([make_record("mae"), make_record("vlae", metrics={"nll": 90.0})], digits_task)
    assert not any(row.cells["nll"].bold for row in board.rows)


def test_reported_rows_show_where_nothing_ran(make_record, digits_task, mnist_task):
    found = boards([make_record()], [mnist_task, digits_task])
    assert [board.task for board in found] == ["mnist", "digits"]
    board = found[0]
    assert board.preset == "small" and board.rows == () and board.reported == mnist_task.reported
    assert board.metrics[0] == "nll" and "svm_rbf_all" in board.metrics
    assert boards([], [digits_task]) == []


def test_measured_columns_rule_where_something_ran(make_record, mnist_task):
    board = only_board([make_record(of=mnist_task)], mnist_task)
    assert board.metrics == ("nll",) and board.reported == mnist_task.reported


def test_a_record_of_an_unknown_task_has_a_board(make_record):
    board = only_board([make_record()])
    assert board.title == "digits" and board.reported == () and board.notes == ()


def test_what_was_trained_elsewhere_is_neither_ranked_nor_averaged_nor_bold(
    honest_record, trained_elsewhere, digits_task
):
    ours = [honest_record(seed=seed, nll=20.0 + 0.1 * seed) for seed in (0, 1)]
    theirs = [trained_elsewhere("mae", seed, 10.0 + 0.1 * seed) for seed in (0, 1, 2)]
    theirs.append(trained_elsewhere("mae", 0, 9.0, on="paper"))
    theirs.append(trained_elsewhere("vlae", 0, 8.0))
    board = only_board([*theirs, *ours], digits_task)
    (row,) = board.rows
    assert row.seeds == (0, 1) and row.cells["nll"].mean == pytest.approx(20.05)
    assert [(other.name, other.note, other.seeds) for other in board.unranked] == [
        ("vlae", "trained on digits smoke", (0,)),
        ("mae", "trained on digits paper", (0,)),
        ("mae", "trained on digits smoke", (0, 1, 2)),
    ]
    assert {other.standing for other in board.unranked} == {"trained elsewhere"}
    assert board.unranked[2].cells["nll"].mean == pytest.approx(10.1)
    assert board.unranked[1].reason == (
        f"trained on digits, task version {digits_task.version}, preset paper; scored here without training"
    )
    assert not any(cell.bold for other in board.unranked for cell in other.cells.values())


def test_where_all_was_trained_elsewhere_nothing_is_ranked(trained_elsewhere, digits_task):
    board = only_board([trained_elsewhere("mae", seed) for seed in range(3)], digits_task)
    assert board.rows == () and [row.standing for row in board.unranked] == ["trained elsewhere"]


def test_it_never_sets_the_conditions_that_rank(honest_record, trained_elsewhere, digits_task):
    newer = trained_elsewhere(precision="float64", created="2030-01-01T00:00:00Z")
    board = only_board([honest_record(), newer], digits_task)
    assert [row.standing for row in (*board.rows, *board.unranked)] == ["ranked", "trained elsewhere"]
    assert board.unranked[0].reason.endswith("measured with precision float64 (ranked rows: float32)")


def test_two_sources_of_a_model_that_was_trained_elsewhere(trained_elsewhere, digits_task):
    board = only_board([trained_elsewhere(), trained_elsewhere(source=OTHER)], digits_task)
    assert {row.note for row in board.unranked} == {
        "trained on digits smoke, adapter code aaaaaaaa",
        "trained on digits smoke, adapter code ffffffff",
    }
