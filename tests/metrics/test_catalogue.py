"""What is known of each metric before it is measured: it decides ranks, bold and what is possible."""

from math import inf

import pytest

from mae_bench.metrics.catalogue import KINDS, board_order, metric_kind


def test_directions() -> None:
    lower = {name for name, kind in KINDS.items() if kind.direction == "lower"}
    assert lower == {"nll", "bits_per_dim", "negative_elbo"}
    assert {kind.direction for name, kind in KINDS.items() if name not in lower} == {"none"}
    assert metric_kind("knn_100").direction == "higher"


def test_bounds_and_noise() -> None:
    bounds = {name: (kind.lowest, kind.highest) for name, kind in KINDS.items()}
    assert bounds.pop("effective_sample_size") == (1.0, inf)
    assert set(bounds.values()) == {(0.0, inf)}
    probe = metric_kind("kmeans_10_majority")
    assert (probe.lowest, probe.highest, probe.unit, probe.family) == (0.0, 1.0, "accuracy", "probes")
    noisy = {name for name, kind in KINDS.items() if kind.noisy}
    assert noisy == {"nll", "bits_per_dim", "negative_elbo", "kl"}
    assert {kind.unit for kind in KINDS.values()} == {"nats", "bits/dim", "samples", "units"}


@pytest.mark.parametrize("name", ["knn_100x", "xknn_100", "knn_", "nll2", "svm_100", "kmeans_all", "knn_100_majority"])
def test_other_names_are_no_metrics(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        metric_kind(name)


def test_the_order_of_the_boards() -> None:
    order = ["nll", "active_units", "kmeans_2", "kmeans_10", "knn_100", "knn_1000", "knn_all", "linear_100"]
    backwards = order[::-1]
    assert sorted(backwards, key=board_order) == order
