"""What a model's own `fit` draws, and what decides whether scores of an earlier session count."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mae_bench.data import DataSet, load_data
from mae_bench.job import execute as execute_module
from mae_bench.job.checkpoint import load_checkpoint
from mae_bench.job.execute import _basis_of_scores, _fit
from mae_bench.job.training_context import TrainingContext
from mae_bench.planning.plan import Job, plan
from mae_bench.planning.registry import resolve_models
from mae_bench.planning.task import Task

pytestmark = pytest.mark.usefixtures("one_thread")

DRAWING = """
import random
import numpy as np
import torch
from mae_bench import Adapter

class Drawing(Adapter):
    def __init__(self, data, preset, size=3):
        super().__init__(data, preset)
        self.register_buffer("drawn", torch.zeros(size))

    def fit(self, train, validation, context):
        self.drawn.copy_(torch.tensor([torch.rand(()), np.random.rand(), random.random()]))

    def encode(self, x):
        return x.flatten(1)
"""


def drawn(task: Task, folder: Path, seed: int) -> list[float]:
    """What a `fit` of its own draws from the three global generators, however they stood before."""
    (folder / "drawing.py").write_text(DRAWING)
    [job] = plan(resolve_models(str(folder / "drawing.py")), [task], "smoke", [seed])
    work = folder / str(len(list(folder.iterdir())))
    work.mkdir()
    context = TrainingContext(
        task.protocol("smoke").training,
        seed=seed,
        device=torch.device("cpu"),
        checkpoint_directory=work,
        progress=lambda *_: None,
    )
    _fit(job, load_data(task), context)
    tensors, _ = load_checkpoint(work / execute_module.MODEL_FILE)
    return tensors["drawn"].tolist()


def test_a_fit_of_its_own_draws_from_generators_that_the_jobs_seed_has_seeded(
    digits_task: Task, tmp_path: Path
) -> None:
    first = drawn(digits_task, tmp_path, 1)
    torch.manual_seed(123)
    np.random.seed(123)
    random.seed(123)
    assert drawn(digits_task, tmp_path, 1) == first
    other = drawn(digits_task, tmp_path, 2)
    assert all(one != two for one, two in zip(first, other, strict=True))


@pytest.fixture
def job(digits_task: Task) -> Job:
    [job] = plan(resolve_models("vlae"), [digits_task], "smoke", [0])
    return job


@pytest.fixture
def data(digits_task: Task) -> DataSet:
    return load_data(digits_task)


def test_whatever_decides_the_scores_alone_makes_another_basis(
    job: Job, data: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is changed by itself, since several may change together in a run and hide that one is not looked at."""
    cpu = torch.device("cpu")

    def basis(this: Job = job, weights: str = "w", of: DataSet = data, device: torch.device = cpu) -> dict[str, Any]:
        return _basis_of_scores(this, of, weights, device)

    def scored_otherwise(task: Task) -> Task:
        protocol = task.protocol(job.preset)
        density = protocol.density.model_copy(update={"images_per_shard": protocol.density.images_per_shard + 1})
        presets = {**task.presets, job.preset: protocol.model_copy(update={"density": density})}
        return task.model_copy(update={"presets": presets})

    model, task = job.model, job.task
    others = {
        "weights": basis(weights="v"),
        "device": basis(device=torch.device("meta")),
        "seed": basis(replace(job, seed=1)),
        "adapter_source": basis(replace(job, model=replace(model, code_hash="f" * 64))),
        "params": basis(replace(job, model=replace(model, params=(("free_bits", 1.0),)))),
        "task_seed": basis(replace(job, task=task.model_copy(update={"seed": task.seed + 1}))),
        "density": basis(replace(job, task=scored_otherwise(task))),
        "data": basis(of=replace(data, hashes={**data.hashes, "test_bits": "0" * 64})),
    }
    with monkeypatch.context() as patched:
        patched.setattr(execute_module, "ENGINE_VERSION", -1)
        others["engine_version"] = basis()
    with monkeypatch.context() as patched:
        patched.setattr(torch, "__version__", "1.0")
        others["torch"] = basis()
    torch.set_num_threads(2)  # the fixture puts one back
    others["threads"] = basis()
    torch.set_num_threads(1)
    assert others.keys() == basis().keys()
    for name, other in others.items():
        assert [key for key, value in basis().items() if other[key] != value] == [name]
