"""A training step does not wait for the device: nothing is read from it until the losses are."""

from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mae_bench.data import load_data
from mae_bench.registry import build_adapter, resolve_models
from mae_bench.task import Task
from mae_bench.training import TrainingContext, TrainingLoop


class HostReads(TorchDispatchMode):
    """Names the operations that bring a value of a tensor to the host, each of which waits for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in ("_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "equal", "unique_consecutive"):
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("model", ["mae", "mae[diversity=mean]", "vlae", "resnet_vae"])
def test_no_step_reads_from_the_device(model: str, digits_task: Task, tmp_path: Path) -> None:
    data = load_data(digits_task)
    settings = digits_task.protocol("smoke").training
    context = TrainingContext(
        settings, seed=0, device=torch.device("cpu"), checkpoint_directory=tmp_path, progress=lambda *_: None
    )
    [reference] = resolve_models(model)
    loop = TrainingLoop(context, settings, build_adapter(reference, data.spec, "smoke"), data.train, data.validation)
    with HostReads() as reads:
        for start in (0, 100, 200):
            x = data.train.batch(torch.arange(start, start + 100), context.generator)
            loop._step(x)
        assert reads.seen == []
        loop.adapter.loss(x).total.item()  # to see that the watch sees a reading
        assert reads.seen == ["_local_scalar_dense"]
