"""Mean ranks of models over several boards, with their uncertainty. Does not import torch."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mae_bench.boards.aggregate import Board, Row
from mae_bench.metrics.catalogue import metric_kind

RESAMPLES = 2000
LEVEL = 0.95
"""Of the intervals: between these percentiles of the resamples lie 95 % of them."""
MOST_BOARDS = 12
"""Sets of boards are tried one after another, and twelve boards have four thousand."""


@dataclass(frozen=True)
class RankedModel:
    """One model: its mean rank over the boards (1 is best), the ends of its interval, and its rank on each board."""

    label: str
    mean: float
    low: float
    high: float
    ranks: tuple[float, ...]


@dataclass(frozen=True)
class Ranking:
    """Models that were all measured on the same boards, the best mean rank first.

    left_out: how many ranked models are not on all of these boards. p_value: Friedman's test that all ranks are due to
    chance; None with fewer than three models or boards, which it does not take.
    """

    boards: tuple[Board, ...]
    models: tuple[RankedModel, ...]
    left_out: int
    p_value: float | None


def rank_models(boards: Sequence[Board], metric_of: Callable[[Board], str | None], seed: int = 0) -> Ranking | None:
    """The ranking over those of `boards` that share most; None unless two models were measured on two boards.

    metric_of: the metric by which a board ranks, None to leave the board out. A model is its label, and counts where it
    is a ranked row with a value; a label that several rows share does not count. Of all sets of boards the one is taken
    in which models times boards is largest, then the one with more boards.

    The interval is that of a bootstrap in two stages (Davison & Hinkley, 1997, section 3.8): boards are drawn with
    replacement, then the seeds of every model on each. Every resample is ranked anew. Few boards and few seeds make
    such intervals too narrow.
    """
    found = [(board, values) for board in boards[:MOST_BOARDS] if (values := _values(board, metric_of(board)))]
    shared = _largest_block([set(values) for _, values in found])
    if shared is None:
        return None
    chosen, labels = shared
    signed = [found[place] for place in chosen]
    ranks = _ranks(np.array([[values[label].mean() for label in labels] for _, values in signed]))
    low, high = _interval([[values[label] for label in labels] for _, values in signed], seed)
    models = [
        RankedModel(label, float(ranks[:, i].mean()), float(low[i]), float(high[i]), tuple(map(float, ranks[:, i])))
        for i, label in enumerate(labels)
    ]
    everyone = {label for _, values in found for label in values}
    return Ranking(
        boards=tuple(board for board, _ in signed),
        models=tuple(sorted(models, key=lambda model: (model.mean, model.label))),
        left_out=len(everyone) - len(labels),
        p_value=_friedman(ranks),
    )


def _values(board: Board, metric: str | None) -> dict[str, NDArray[np.float64]]:
    """The values over seeds of every ranked row with a mean, by label; lower is better."""
    if metric is None or metric not in board.metrics:
        return {}
    sign = -1.0 if metric_kind(metric).direction == "higher" else 1.0
    times = Counter(row.label for row in board.rows)
    return {
        row.label: sign * np.array(_over_seeds(row, metric))
        for row in board.rows
        if row.records and row.cells[metric].mean is not None and times[row.label] == 1
    }


def _over_seeds(row: Row, metric: str) -> list[float]:
    found = (record.all_metrics[metric].value for record in row.records)
    return [value for value in found if value is not None]


def _largest_block(models: Sequence[set[str]]) -> tuple[tuple[int, ...], list[str]] | None:
    """The boards, by number, and the models that all of them have."""
    best: tuple[tuple[int, int], tuple[int, ...], list[str]] | None = None
    for size in range(2, len(models) + 1):
        for chosen in combinations(range(len(models)), size):
            shared = set.intersection(*(models[place] for place in chosen))
            worth = (size * len(shared), size)
            if len(shared) > 1 and (best is None or worth > best[0]):
                best = (worth, chosen, sorted(shared))
    return None if best is None else best[1:]


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[..., boards, models] -> ranks of the models on each board, 1 for the lowest value; ties share their mean."""
    from scipy.stats import rankdata

    ranks: NDArray[np.float64] = rankdata(values, axis=-1)
    return ranks


def _interval(
    values: Sequence[Sequence[NDArray[np.float64]]], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """values: by board and model, those over seeds. The ends of the interval of each model's mean rank."""
    generator = np.random.default_rng(seed)
    boards = generator.integers(len(values), size=(RESAMPLES, len(values)))
    means = np.empty((RESAMPLES, len(values), len(values[0])))
    for place, board in enumerate(values):
        here = boards == place
        for i, over_seeds in enumerate(board):
            drawn = generator.integers(len(over_seeds), size=(int(here.sum()), len(over_seeds)))
            means[here, i] = over_seeds[drawn].mean(axis=-1)
    mean_ranks = _ranks(means).mean(axis=1)
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(mean_ranks, [tail, 100 - tail], axis=0)
    return low, high


def _friedman(ranks: NDArray[np.float64]) -> float | None:
    from scipy.stats import friedmanchisquare

    boards, models = ranks.shape
    if boards < 3 or models < 3:
        return None
    return float(friedmanchisquare(*ranks.T).pvalue)
