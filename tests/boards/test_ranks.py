"""Mean ranks over boards: by hand, against SciPy, and only where models share boards."""

from statistics import fmean

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from mae_bench.boards.aggregate import boards
from mae_bench.boards.ranks import rank_models

NLL = {  # task -> model -> values over seeds
    "one": {"a": (1.0, 1.2), "b": (2.0, 2.2), "c": (3.0, 3.2), "d": (0.5, 0.6)},
    "two": {"a": (5.0, 5.2), "b": (4.0, 4.2), "c": (9.0, 9.2)},
    "three": {"a": (5.0, 5.2), "b": (8.0, 8.2), "c": (7.0, 7.2)},
    "four": {"a": (5.0, 5.2)},
}


@pytest.fixture
def found(make_record, digits_task):
    tasks = [digits_task.model_copy(update={"name": name}) for name in NLL]
    records = [
        make_record(model, seed, {"nll": value, "knn_100": 1 / (1 + value)}, of=task)
        for task in tasks
        for model, values in NLL[task.name].items()
        for seed, value in enumerate(values)
    ]
    return boards(records, tasks)


def test_ranks_are_those_of_the_means_on_the_boards_that_share_most(found):
    ranking = rank_models(found, lambda board: board.primary)
    assert [board.task for board in ranking.boards] == ["one", "two", "three"] and ranking.left_out == 1
    assert [(model.label, model.ranks) for model in ranking.models] == [
        ("a", (1.0, 2.0, 1.0)),
        ("b", (2.0, 1.0, 3.0)),
        ("c", (3.0, 3.0, 2.0)),
    ]
    assert [model.mean for model in ranking.models] == pytest.approx([4 / 3, 2.0, 8 / 3])
    assert ranking.p_value == pytest.approx(
        friedmanchisquare(*[[fmean(NLL[task][model]) for task in ("one", "two", "three")] for model in "abc"]).pvalue
    )


def test_where_more_is_better_the_highest_value_has_rank_one(found):
    by_nll, by_accuracy = (rank_models(found, lambda board, name=name: name) for name in ("nll", "knn_100"))
    assert by_nll.models == by_accuracy.models


def test_the_interval_spans_the_means_that_draws_of_boards_give(found):
    """Seeds cannot change a rank here, so that the mean rank takes the values of 27 draws of three boards."""
    ranking = rank_models(found, lambda board: board.primary)
    draws = [np.mean([ranks[i], ranks[j], ranks[k]]) for ranks in [ranking.models[1].ranks]
             for i in range(3) for j in range(3) for k in range(3)]  # fmt: skip
    low, high = np.percentile(draws, [2.5, 97.5], method="inverted_cdf")
    assert (ranking.models[1].low, ranking.models[1].high) == pytest.approx((low, high))
    assert rank_models(found, lambda board: board.primary) == ranking


def test_seeds_widen_the_interval(make_record, digits_task):
    tasks = [digits_task.model_copy(update={"name": name}) for name in ("one", "two")]
    values = {"a": (1.0, 4.0, 1.1), "b": (2.0, 2.1, 2.2)}
    records = [
        make_record(m, s, {"nll": v}, of=task) for task in tasks for m in values for s, v in enumerate(values[m])
    ]
    first = rank_models(boards(records, tasks), lambda board: board.primary).models[0]
    assert first.mean == 1.0 and first.low == 1.0 and first.high == 2.0


def test_there_is_no_ranking_without_two_models_on_two_boards(found):
    assert rank_models(found[:1], lambda board: board.primary) is None
    assert rank_models(found[2:], lambda board: board.primary) is None
    assert rank_models([], lambda board: board.primary) is None
    assert rank_models(found, lambda board: None) is None
    assert rank_models(found[:2], lambda board: board.primary).p_value is None
