"""A training step does not wait for the device: nothing is read from it until the losses are."""

from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mae_bench.data import load_data
from mae_bench.job.training import STEPS_BETWEEN_CHECKS
from mae_bench.job.training_context import TrainingContext
from mae_bench.planning.registry import build_adapter, resolve_models
from mae_bench.planning.task import Task


class HostReads(TorchDispatchMode):
    """Counts the operations that bring a value of a tensor to the host, each of which waits for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        self.count += name in (
            "_local_scalar_dense",
            "is_nonzero",
            "nonzero",
            "masked_select",
            "equal",
            "unique_consecutive",
        )
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("model", ["mae", "mae[diversity=mean]", "vlae", "resnet_vae"])
def test_no_step_reads_from_the_device(model: str, digits_task: Task, tmp_path: Path) -> None:
    data = load_data(digits_task)
    settings = digits_task.protocol("smoke").training
    [reference] = resolve_models(model)
    adapter = build_adapter(reference, data.spec, "smoke")
    after_step: list[int] = []
    with HostReads() as reads:
        context = TrainingContext(
            settings,
            seed=0,
            device=torch.device("cpu"),
            checkpoint_directory=tmp_path,
            progress=lambda stage, done, total, note: after_step.append(reads.count),
        )
        context.train(adapter, data.train, data.validation, max_epochs=1)
    steps = len(data.train) // settings.batch_size
    assert len(after_step) == steps > 5 and steps < STEPS_BETWEEN_CHECKS
    assert len(set(after_step)) == 1, "a step has read from the device"
    assert reads.count > after_step[-1], "the watch sees the reading of the validation ELBO"
