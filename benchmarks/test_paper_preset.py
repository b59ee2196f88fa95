"""How long the paper's networks take: a training step, and the 4096-sample NLL of one image of MNIST's size.

`make bench` runs this with pytest-benchmark; no test depends on what it measures.
"""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from mae_bench import Adapter
from mae_bench.data import data_spec
from mae_bench.foundation.content import content_folder
from mae_bench.job.allocator import keep_freed_memory
from mae_bench.metrics.density import score_shard
from mae_bench.planning.registry import build_adapter, resolve_models
from mae_bench.planning.task import load_task

STEPS = 20
TASK = load_task(content_folder("tasks") / "mnist.toml")
PROTOCOL = TASK.protocol("paper")


def paper_model(name: str) -> Adapter:
    """The model at preset paper, initialised on random bits: its arithmetic does not depend on what they show.

    The process allocates from here on as that of a job does.
    """
    keep_freed_memory()
    torch.manual_seed(0)
    [reference] = resolve_models(name)
    model = build_adapter(reference, data_spec(TASK), "paper")
    model.initialise(random_bits(100))
    return model


def random_bits(count: int) -> torch.Tensor:
    return torch.bernoulli(torch.full((count, *TASK.data.shape), 0.13))


@pytest.mark.parametrize("name", ["mae", "vlae", "resnet_vae"])
def test_training_step(benchmark: BenchmarkFixture, name: str) -> None:
    """Loss, gradients and one step of Adam on a batch of the paper's size."""
    model = paper_model(name)
    optimiser = torch.optim.Adam(model.parameters(), lr=PROTOCOL.training.learning_rate, fused=True)
    x = random_bits(PROTOCOL.training.batch_size)

    def step() -> None:
        optimiser.zero_grad()
        model.loss(x).total.backward()
        optimiser.step()

    benchmark.pedantic(step, rounds=STEPS, warmup_rounds=1)


@pytest.mark.parametrize("name", ["vlae", "resnet_vae"])
def test_nll_of_one_image(benchmark: BenchmarkFixture, name: str) -> None:
    """All importance samples of the paper's protocol, as the harness draws them."""
    model = paper_model(name)
    x = random_bits(1)
    scores = benchmark.pedantic(score_shard, (model, x, PROTOCOL.density), {"seed": 0, "shard": 0}, rounds=1)
    assert scores.nll_by_samples.keys() == {1, 4, 16, 64, 256, 1024, 4096}
