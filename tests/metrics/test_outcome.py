"""A mean over images with its standard error, and what cannot be computed."""

import math

import numpy as np
import pytest

from mae_bench.metrics.outcome import Measurement, computed


def test_the_standard_error_is_that_of_the_mean_of_a_sample() -> None:
    """1, 2, 3, 6: mean 3, squared deviations 4 + 1 + 0 + 9 over 3, divided by 4 images."""
    one = Measurement.over_images("nll", np.array([1.0, 2.0, 3.0, 6.0]), (2.0, 4.0), "known")
    assert one == Measurement("nll", 3.0, pytest.approx(math.sqrt(14 / 3 / 4)), 4, (2.0, 4.0), "known")
    two = Measurement.over_images("nll", np.array([1.0, 2.0]))
    assert two.stderr == pytest.approx(0.5)
    assert Measurement.over_images("nll", np.array([1.0])).stderr is None


GOOD = Measurement("knn_100", 0.5, 0.1, 10, (0.4, 0.6))


def test_good_measurements_pass_through() -> None:
    single = Measurement("active_units", 3.0, None, 10)
    assert computed(["knn_100", "active_units"], 10, lambda: [GOOD, single]) == [GOOD, single]


@pytest.mark.parametrize(
    "bad",
    [
        Measurement("knn_100", math.inf, 0.1, 10),
        Measurement("knn_100", 0.5, math.nan, 10),
        Measurement("knn_100", 0.5, 0.1, 10, (0.4, math.inf)),
    ],
)
def test_a_value_an_error_or_a_run_that_is_not_finite_takes_them_all_away(bad: Measurement) -> None:
    found = computed(["mpd", "knn_100"], 10, lambda: [GOOD, bad])
    assert [(one.name, one.value, one.stderr, one.n) for one in found] == [
        ("mpd", None, None, 10),
        ("knn_100", None, None, 10),
    ]
    assert all("too large for a float64" in str(one.reason) for one in found)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError("no space left"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("CUDA Out Of Memory"),
    ],
)
def test_a_fault_of_the_machine_is_raised(error: Exception) -> None:
    def measure() -> list[Measurement]:
        raise error

    with pytest.raises(type(error)):
        computed(["mpd"], 10, measure)


def test_any_other_error_is_a_reason() -> None:
    def measure() -> list[Measurement]:
        raise ValueError("a singular matrix")

    [one] = computed(["mpd"], 10, measure)
    assert one.value is None
    assert "singular matrix" in str(one.reason)
