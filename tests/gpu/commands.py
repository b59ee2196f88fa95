"""Runs of mae-bench on the device, in processes of their own, and what their records have in common."""

import os
import subprocess
import sys
from pathlib import Path

from mae_bench.records.schema import Record
from mae_bench.records.store import Store
from tests.gpu.subject import DEVICE, ROOT

PATIENCE = 110.0
"""Seconds that a run may take."""
NLL = 0.02
"""Nats. On a GPU some sums have no fixed order, and ten steps of Adam pass that on; on a CPU runs are equal. Two seeds
differ by more than two nats."""
LOSS = 1e-3
"""Relative, of the mean loss of an epoch."""


def run(store: Path, *options: str, models: str = "vlae,resnet_vae", status: int = 0) -> str:
    """What `mae-bench run` prints on the digits at preset smoke."""
    command = [sys.executable, "-m", "mae_bench", "run", "-m", models, "-t", "digits", "--preset", "smoke"]
    finished = subprocess.run(
        [*command, "-o", str(store), "--device", str(DEVICE), *options],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert finished.returncode == status, finished.stdout + finished.stderr
    return finished.stdout


def records(store: Path) -> dict[str, Record]:
    """Each by the name of its model; all complete."""
    found = {record.model.name: record for record in Store(store).records()}
    assert all(record.training.status == "complete" for record in found.values())
    return found


def same_but_for_rounding(found: Record, expected: Record) -> None:
    """The same steps on the same images with the same draws: losses, validation and NLL agree."""
    assert found.key == expected.key
    assert found.training.steps == expected.training.steps
    assert abs(found.metrics["nll"].value - expected.metrics["nll"].value) <= NLL
    for here, there in zip(found.training.curve, expected.training.curve, strict=True):
        losses = here.train["loss"], there.train["loss"]
        values = here.validation_negative_elbo, there.validation_negative_elbo
        for one, other in (losses, values):
            assert abs(one / other - 1) <= LOSS
