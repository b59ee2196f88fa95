"""The yardstick for speed computes what the package computes: NLL, training loss and sampled bits of preset paper."""

import importlib.util
from pathlib import Path

import pytest
import torch

from mae_bench.adapter import DataSpec
from mae_bench.foundation.content import content_folder
from mae_bench.metrics.density import importance_weighted_nll
from mae_bench.planning.registry import build_adapter, resolve_models
from mae_bench.planning.task import load_task

SAMPLES = 8


@pytest.fixture(scope="module")
def models():
    """MAE(1, 0.5) as the package has it, initialised on random bits, and the yardstick with the same parameters."""
    path = Path(__file__).parents[2] / "benchmarks" / "reference.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    task = load_task(content_folder("tasks") / "mnist.toml")
    [name] = resolve_models("mae")
    torch.manual_seed(0)
    fast = build_adapter(name, DataSpec(task.data.shape, task.data.likelihood, 58000, 10), "paper")
    fast.initialise(random_bits(20))
    plain = reference.PlainMAE()
    plain.load_state_dict(fast.state_dict())
    return fast.eval(), plain.eval()


def random_bits(count: int) -> torch.Tensor:
    return torch.bernoulli(torch.full((count, 1, 28, 28), 0.13), generator=torch.Generator().manual_seed(count))


def test_nll_is_equal_to_a_thousandth_of_a_nat(models):
    fast, plain = models
    x = random_bits(2)
    torch.manual_seed(1)
    with torch.no_grad():
        expected = importance_weighted_nll(fast.importance_terms(x, SAMPLES))
    torch.manual_seed(1)
    assert plain.nll(x, SAMPLES).double() == pytest.approx(expected, abs=1e-3)


def test_loss_and_gradients_are_equal(models):
    fast, plain = models
    x = random_bits(4)
    for model in models:
        model.zero_grad()
        torch.manual_seed(2)
        loss = model.loss(x)
        (loss if model is plain else loss.total).backward()
    gradients = dict(fast.named_parameters())
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name].grad, rtol=2e-3, atol=2e-3, msg=name)


def test_the_first_pixels_are_sampled_alike(models):
    fast, plain = models
    z = torch.randn(2, 32, generator=torch.Generator().manual_seed(3))
    torch.manual_seed(4)
    expected = fast.decoder.sample(z)[:, :, :1]
    torch.manual_seed(4)
    assert torch.equal(plain.sample(z, passes=28)[:, :, :1], expected)
