"""A checkpoint gives back every field of the state, every tensor and every random state."""

import random
from copy import deepcopy
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mae_bench.foundation.seeding import host_generators
from mae_bench.job.checkpoint import load_checkpoint
from mae_bench.job.training_state import TrainingParts, TrainingState, restore_training, save_training

pytestmark = pytest.mark.usefixtures("one_thread")


def some_parts(seed: int) -> TrainingParts:
    """A model after two steps of Adam, an average that is not the model, and a generator that has drawn."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    average = deepcopy(model)
    optimiser = torch.optim.Adam(model.parameters())
    for _ in range(2):
        optimiser.zero_grad()
        model(torch.randn(4, 3)).square().sum().backward()
        optimiser.step()
    generator = torch.Generator().manual_seed(seed)
    torch.rand(seed, generator=generator)
    return TrainingParts(model, average, optimiser, generator)


STATE = TrainingState(
    learning_rate=0.01,
    epoch=3,
    batch=2,
    step=14,
    halvings=1,
    epochs_without_gain=2,
    best_epoch=1,
    best_validation=71.25,
    first_loss=512.5,
    sums={"loss": 3.5, "kl": 1.5},
    curve=[{"epoch": 1, "train": {"loss": 80.0}}],
    seconds=12.5,
    threads=1,
    compiled=True,
    matrix_precision="bfloat16",
)


def test_the_example_has_a_value_of_its_own_in_every_field() -> None:
    default = TrainingState(learning_rate=0.0)
    same = [field.name for field in fields(STATE) if getattr(STATE, field.name) == getattr(default, field.name)]
    assert same == ["threads"]


def test_every_field_tensor_and_random_state_comes_back(tmp_path: Path) -> None:
    parts, best = some_parts(1), some_parts(5).average.state_dict()
    random.seed(6)
    np.random.seed(6)
    save_training(tmp_path / "file", STATE, parts, best)
    hosts, torchs = host_generators(), torch.get_rng_state()

    fresh = some_parts(2)
    random.seed(7)
    np.random.seed(7)
    torch.set_num_threads(2)  # the fixture puts one back
    state, found = restore_training(*load_checkpoint(tmp_path / "file"), fresh)
    assert state == STATE
    assert torch.get_num_threads() == 1
    assert host_generators() == hosts
    assert torch.equal(torch.get_rng_state(), torchs)
    assert torch.equal(fresh.generator.get_state(), parts.generator.get_state())
    for ours, theirs in (
        (fresh.adapter.state_dict(), parts.adapter.state_dict()),
        (fresh.average.state_dict(), parts.average.state_dict()),
        (found, best),
    ):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    moments, expected = (one.optimiser.state_dict()["state"] for one in (fresh, parts))
    assert moments.keys() == expected.keys() == {0, 1, 2, 3}
    for index, entries in expected.items():
        assert entries.keys() == moments[index].keys() == {"step", "exp_avg", "exp_avg_sq"}
        assert all(torch.equal(moments[index][name], value) for name, value in entries.items())


def test_a_checkpoint_of_an_earlier_version_lacks_the_generators_of_the_host(tmp_path: Path) -> None:
    parts = some_parts(1)
    save_training(tmp_path / "file", STATE, parts, {})
    tensors, state = load_checkpoint(tmp_path / "file")
    del state["host_generators"]
    before = host_generators()
    assert restore_training(tensors, state, parts) == (STATE, {})
    assert host_generators() == before


def test_other_threads_than_one_come_back_too(tmp_path: Path) -> None:
    parts = some_parts(1)
    save_training(tmp_path / "file", TrainingState(0.1, threads=2), parts, {})
    restored, _ = restore_training(*load_checkpoint(tmp_path / "file"), parts)
    assert (restored.threads, torch.get_num_threads()) == (2, 2)
