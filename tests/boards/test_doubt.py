"""Records that stand apart: beyond all that was published, or breaking a law."""

import pytest

from mae_bench.boards.aggregate import boards
from mae_bench.boards.doubt import doubt_about
from mae_bench.planning.registry import known_tasks
from mae_bench.planning.task import BestPublished


@pytest.fixture
def task(digits_task):
    bound = BestPublished(best=20.0, margin=1.0, citation="Somebody (2020)")
    high = BestPublished(best=0.9, margin=0.05, citation="Another (2021)")
    return digits_task.model_copy(update={"plausible": {"nll": bound, "knn_100": high}})


@pytest.mark.parametrize(
    ("metrics", "doubted"),
    [
        ({"nll": 25.0}, False),
        ({"nll": 19.01}, False),
        ({"nll": 18.99}, True),
        ({"nll": 25.0, "knn_100": 0.94}, False),
        ({"nll": 25.0, "knn_100": 0.96}, True),
        ({"nll": (None, None, "it diverged")}, False),
        ({"kl": 1.0}, False),
    ],
)
def test_a_value_beyond_all_that_was_published(make_record, task, metrics, doubted):
    record = make_record(metrics=metrics)
    doubt = doubt_about(record, task)
    assert (doubt is not None) == doubted
    assert doubt_about(record, None) is None
    assert doubt_about(record, task, frozenset({record.record_hash})) is None, "a reviewer has rerun it"


def test_the_sentence_names_value_bound_and_citation(make_record, task):
    doubt = doubt_about(make_record(metrics={"nll": 1.014}), task)
    assert doubt.kind == "implausible"
    assert doubt.reason == (
        "its NLL of 1.01 beats the best that was published, 20 (Somebody (2020)), by more than 1: implausible until a "
        "reviewer has rerun it"
    )


def test_what_breaks_a_law_is_not_cleared_by_a_rerun(make_record, task):
    record = make_record(broken_laws=("the KL divergence is -5 nats",))
    assert doubt_about(record, task, frozenset({record.record_hash})) == (
        "breaks a law",
        "the KL divergence is -5 nats",
    )


def test_a_board_ranks_what_is_not_doubted_and_shows_the_rest(make_record, task):
    sound = [make_record("mae", seed, {"nll": 25.0 + seed}) for seed in (0, 1)]
    lucky = make_record("mae", 2, {"nll": 1.0})
    broken = make_record("vlae", 0, {"nll": 24.0}, broken_laws=("its KL is negative",))
    [board] = boards([*sound, lucky, broken], [task])
    assert [(row.label, row.seeds) for row in board.rows] == [("mae", (0, 1))]
    assert [(row.label, row.standing, row.seeds) for row in board.unranked] == [
        ("mae", "implausible", (2,)),
        ("vlae", "breaks a law", (0,)),
    ]
    [board] = boards([*sound, lucky, broken], [task], frozenset({lucky.record_hash}))
    assert [(row.label, row.seeds) for row in board.rows] == [("mae", (0, 1, 2))]


def test_the_bounds_of_the_built_in_tasks_are_cited():
    bounds = {task.name: task.plausible for task in known_tasks() if task.plausible}
    assert {name: {metric: bound.best for metric, bound in found.items()} for name, found in bounds.items()} == {
        "cifar10": {"bits_per_dim": 2.49},
        "mnist": {"nll": 76.93},
        "omniglot": {"nll": 89.01},
    }
    for task in known_tasks():
        for name, bound in task.plausible.items():
            assert bound.citation
            reported = [row.metrics[name] for row in task.reported if name in row.metrics]
            assert min(reported) > bound.best - bound.margin, "nothing that was reported is doubted"
