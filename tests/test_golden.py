"""The golden records: the numbers of three short jobs, which no change may move without raising ENGINE_VERSION.

`python tests/test_golden.py` writes them anew, for a change that means to move them.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch

from mae_bench import ENGINE_VERSION
from mae_bench.content import content_folder
from mae_bench.execute import execute
from mae_bench.plan import plan
from mae_bench.registry import resolve_models
from mae_bench.task import load_task

GOLDEN = Path(__file__).parent / "golden" / "digits_smoke.json"
MODELS = "mae,vlae[free_bits=0],resnet_vae"
DENSITY_TOLERANCE = 1e-3
"""Relative. Ten training steps in float32 differ by far less between processors; a changed formula by more."""
ACCURACY_TOLERANCE = 0.02
"""Absolute: ten of the 500 test images may fall on the other side of a probe's boundary."""


pytestmark = pytest.mark.usefixtures("one_thread")


def measure() -> dict[str, dict[str, float]]:
    """{model: {metric: value}} of digits at preset smoke with seed 0, on a CPU."""
    task = load_task(content_folder("tasks") / "digits.toml")
    numbers = {}
    for job in plan(resolve_models(MODELS), [task], "smoke", [0]):
        with TemporaryDirectory() as folder:
            record = execute(job, working_directory=Path(folder), device="cpu", progress=lambda *_: None)
        numbers[job.model.label] = {name: metric.value for name, metric in record.metrics.items()}
    return numbers


def test_no_number_moved_without_a_new_engine_version() -> None:
    golden = json.loads(GOLDEN.read_text())
    assert golden["engine_version"] == ENGINE_VERSION, "write the golden records anew: python tests/test_golden.py"
    for model, metrics in measure().items():
        assert metrics.keys() == golden["metrics"][model].keys()
        for name, value in metrics.items():
            expected = golden["metrics"][model][name]
            accuracy = name.startswith(("kmeans", "knn", "linear", "svm"))
            close = pytest.approx(
                expected, rel=0 if accuracy else DENSITY_TOLERANCE, abs=ACCURACY_TOLERANCE if accuracy else 0
            )
            assert value == close, f"{name} of {model} moved: raise ENGINE_VERSION, then write the golden records anew"


if __name__ == "__main__":
    torch.set_num_threads(1)
    content = {"engine_version": ENGINE_VERSION, "metrics": measure()}
    GOLDEN.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
