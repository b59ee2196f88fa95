"""The golden numbers of three short jobs. `make golden` writes them anew, for a change that means to move them."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from mae_bench import ENGINE_VERSION
from mae_bench.foundation.content import content_folder
from mae_bench.job.execute import execute
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import resolve_models
from mae_bench.planning.task import load_task

GOLDEN = Path(__file__).with_name("digits_smoke.json")
MODELS = "mae,vlae[free_bits=0],resnet_vae"


def measure() -> dict[str, dict[str, float | None]]:
    """{model: {metric: value}} of digits at preset smoke with seed 0, on a CPU."""
    task = load_task(content_folder("tasks") / "digits.toml")
    numbers = {}
    for job in plan(resolve_models(MODELS), [task], "smoke", [0]):
        with TemporaryDirectory() as folder:
            record = execute(job, working_directory=Path(folder), device="cpu", progress=lambda *_: None)
        numbers[job.model.label] = {name: metric.value for name, metric in record.metrics.items()}
    return numbers


if __name__ == "__main__":
    torch.set_num_threads(1)
    content = {"engine_version": ENGINE_VERSION, "metrics": measure()}
    GOLDEN.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
