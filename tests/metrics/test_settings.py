"""Which metrics a protocol asks for, with how many images, errors and runs, and which protocols it refuses."""

import pytest
from pydantic import ValidationError

from mae_bench.metrics.settings import DensitySettings, Expected, PosteriorSettings, ProbeSettings

DENSITY = {"importance_samples": 64, "images_per_shard": 10, "samples_per_chunk": 16, "test_images": "all"}
PROBES = {
    "label_counts": (100, "all"),
    "label_draws": 5,
    "kmeans_clusters": (10,),
    "kmeans_starts": 2,
    "kmeans_images": "all",
    "knn_neighbours": 5,
    "logistic_c": 1.0,
    "logistic_max_iterations": 10,
    "svm_label_counts": (100, "all"),
    "svm_c": 1.0,
    "svm_gamma_times_dimensions": 1.0,
    "svm_max_iterations": 10,
    "svm_all_dimensions": 10,
}


@pytest.mark.parametrize(("samples", "chunk"), [(96, 64), (8, 16), (64, 48), (96, 6), (9, 3)])
def test_chunks_are_powers_of_two_that_fill_the_samples(samples: int, chunk: int) -> None:
    with pytest.raises(ValidationError, match="samples_per_chunk"):
        DensitySettings(**DENSITY | {"importance_samples": samples, "samples_per_chunk": chunk})


@pytest.mark.parametrize(("samples", "chunk"), [(96, 32), (7, 1), (64, 64)])
def test_these_chunks_are_good(samples: int, chunk: int) -> None:
    assert DensitySettings(**DENSITY | {"importance_samples": samples, "samples_per_chunk": chunk})


def test_density_has_a_standard_error_from_two_images_on_and_bounds_the_effective_samples() -> None:
    for images, has_stderr in [(1, False), (2, True), (500, True)]:
        expected = DensitySettings(**DENSITY).expected(images)
        assert expected["nll"] == Expected(images, has_stderr)
        assert expected["effective_sample_size"] == Expected(images, has_stderr, highest=64.0)
    assert DensitySettings(**DENSITY | {"test_images": 3}).expected(500)["kl"] == Expected(3, True)


def test_posterior_has_a_standard_error_from_three_images_on_and_active_units_none() -> None:
    settings = PosteriorSettings(test_images=50, active_unit_variance=0.01)
    for images, n, has_stderr in [(2, 2, False), (3, 3, True), (500, 50, True)]:
        expected = settings.expected(images)
        assert expected["mpd"] == expected["mpd_std"] == Expected(n, has_stderr)
        assert expected["active_units"] == Expected(n, False)


def test_probes_with_all_labels_have_one_run() -> None:
    expected = ProbeSettings(**PROBES).expected(500)
    assert expected["knn_100"] == expected["kmeans_10_majority"] == Expected(500, True, draws=5)
    assert expected["knn_all"] == expected["svm_rbf_all"] == expected["linear_all"] == Expected(500, True, draws=1)
    assert ProbeSettings(**PROBES).expected(1)["knn_100"] == Expected(1, False, draws=5)
    assert len(expected) == 10
