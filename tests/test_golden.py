"""The golden numbers, which no change may move without raising ENGINE_VERSION."""

import json

import pytest

from mae_bench import ENGINE_VERSION
from tests.golden.write import GOLDEN, measure

DENSITY_TOLERANCE = 1e-3
"""Relative. Ten training steps in float32 differ by far less between processors; a changed formula by more."""
ACCURACY_TOLERANCE = 0.02
"""Absolute: ten of the 500 test images may fall on the other side of a probe's boundary."""


pytestmark = pytest.mark.usefixtures("one_thread")


def test_no_number_moved_without_a_new_engine_version() -> None:
    golden = json.loads(GOLDEN.read_text())
    assert golden["engine_version"] == ENGINE_VERSION, "write the golden numbers anew: make golden"
    for model, metrics in measure().items():
        assert metrics.keys() == golden["metrics"][model].keys()
        for name, value in metrics.items():
            expected = golden["metrics"][model][name]
            accuracy = name.startswith(("kmeans", "knn", "linear", "svm"))
            close = pytest.approx(
                expected, rel=0 if accuracy else DENSITY_TOLERANCE, abs=ACCURACY_TOLERANCE if accuracy else 0
            )
            assert value == close, f"{name} of {model} moved: raise ENGINE_VERSION, then write the golden records anew"
