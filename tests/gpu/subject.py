"""What the tests on a GPU are about: which device, and models of the paper's sizes with random images to ask them of.

Two variables try the tests themselves where there is no GPU: MAE_BENCH_TEST_DEVICE=cpu and MAE_BENCH_TEST_PRESET=smoke.
"""

import os
from copy import deepcopy
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from mae_bench.adapter import DataSpec
from mae_bench.data import data_spec
from mae_bench.foundation.content import content_folder
from mae_bench.planning.registry import build_adapter, resolve_models
from mae_bench.planning.task import Task, load_task
from mae_bench.vae import VAE

ROOT = Path(__file__).resolve().parents[2]
DEVICE = torch.device(os.environ.get("MAE_BENCH_TEST_DEVICE", "cuda"))
ON_GPU = DEVICE.type == "cuda"
PRESET = os.environ.get("MAE_BENCH_TEST_PRESET", "paper")
TASKS = ("mnist", "cifar10")
"""Only their shapes and protocols count: no image is read."""
MODELS = ("mae", "vlae", "resnet_vae")


def shipped_task(name: str) -> Task:
    return load_task(content_folder("tasks") / f"{name}.toml")


def random_levels(data: DataSpec, count: int, seed: int) -> Tensor:
    """Pixels from 0 to 255, in a binary task one in seven of them not zero: uint8 [count, C, H, W]."""
    generator = torch.Generator().manual_seed(seed)
    levels = torch.randint(256, (count, *data.shape), generator=generator, dtype=torch.uint8)
    if data.likelihood == "bernoulli":
        levels *= torch.rand(levels.shape, generator=generator) < 1 / 7
    return levels


def random_images(data: DataSpec, count: int, seed: int) -> Tensor:
    """x as a model is given it, on the CPU in float64: bits, or levels / 255."""
    levels = random_levels(data, count, seed).double()
    return (levels > 127).double() if data.likelihood == "bernoulli" else levels / 255


def fresh_model(name: str, task: str) -> VAE:
    """On the CPU, as it is drawn, at `PRESET`."""
    torch.manual_seed(0)
    [reference] = resolve_models(name)
    model = build_adapter(reference, data_spec(shipped_task(task)), PRESET)
    assert isinstance(model, VAE)
    return model


@cache
def _initialised(name: str, task: str) -> VAE:
    model = fresh_model(name, task)
    model.initialise(random_images(model.data, 16, seed=1).float())
    return model


def make_model(name: str, task: str, device: torch.device = DEVICE) -> VAE:
    """Initialised on random images, the same on every device."""
    return deepcopy(_initialised(name, task)).to(device)


def exact(model: VAE) -> VAE:
    """The same model on the CPU in float64, to hold its float32 against."""
    return deepcopy(model).cpu().double()
