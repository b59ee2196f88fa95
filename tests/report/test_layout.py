"""Numbers as text: as many decimals as the spread leaves certain."""

import pytest

from mae_bench.metrics.catalogue import KINDS
from mae_bench.report.layout import format_sample, meaning_of


@pytest.mark.parametrize(
    ("metric", "mean", "spread", "expected"),
    [
        ("nll", 85.2568, 0.2868, "85.26 ± 0.29"),
        ("nll", 85.2568, 0.0412, "85.257 ± 0.041"),
        ("nll", 85.2568, 0.00001, "85.257 ± 0.000"),
        ("nll", 85.2568, 1.44, "85.3 ± 1.4"),
        ("nll", 185.2568, 21.4, "185 ± 21"),
        ("nll", 185.2568, 2140.0, "185 ± 2140"),
        ("nll", 85.2568, 0.0, "85.26 ± 0"),
        ("nll", 85.2568, None, "85.26"),
        ("nll", None, 1.0, "–"),
        ("nll", 1e300, float("inf"), f"{1e300:.2f} ± inf"),
        ("bits_per_dim", 0.15731, 0.0004, "0.1573 ± 0.0004"),
        ("knn_100", 0.7581, 0.0152, "75.8 ± 1.5"),
        ("knn_100", 0.7581, 0.0052, "75.81 ± 0.52"),
    ],
)
def test_decimals_by_the_spread(metric, mean, spread, expected):
    assert format_sample(metric, mean, spread) == expected


def test_every_metric_has_a_meaning():
    probes = ("kmeans_10", "kmeans_10_majority", "knn_all", "linear_100", "svm_linear_1000", "svm_rbf_all")
    found = {meaning_of(metric) for metric in (*KINDS, *probes)}
    assert len(found) == len(KINDS) + len(probes) and all(found)
