"""The comparison systems of the paper's tables as a user's command line builds them: contract, sizes, objectives."""

import ast

import pytest
import torch

from mae_bench.adapter import DataSpec
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.registry import build_adapter, load_adapter_class, resolve_models
from mae_bench.testing import check_adapter

ON_THE_MLP = ["vae", "iwae", "beta_vae", "infovae"]
SYSTEMS = ON_THE_MLP


def build(written, shape=(1, 5, 5), preset="smoke"):
    (reference,) = resolve_models(written)
    torch.manual_seed(0)
    likelihood = "bernoulli" if shape[0] == 1 else "discretized_logistic_mixture"
    return build_adapter(reference, DataSpec(shape, likelihood, 100, 10), preset)


def bits(count, size=5):
    return torch.bernoulli(torch.full((count, 1, size, size), 0.4))


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_keeps_the_contract(name):
    check_adapter(load_adapter_class(name))


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_has_a_larger_network_at_a_larger_preset(name):
    sizes = [
        sum(weight.numel() for weight in build(name, (1, 28, 28), preset).parameters())
        for preset in ("smoke", "small", "medium", "paper")
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[1] < sizes[3]
    with pytest.raises(UsageError, match="there is no preset 'large'"):
        build(name, preset="large")


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_imports_public_names_alone_and_cites_its_paper(name):
    tree = ast.parse((content_folder("baselines") / f"{name}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "mae_bench":
            public = __import__(node.module, fromlist=["__all__"]).__all__
            assert {alias.name for alias in node.names} <= set(public)
    assert "20" in ast.get_docstring(tree).partition("(")[2]


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("iwae[samples=0]", "samples must be positive"),
        ("beta_vae[beta=-1]", "beta must not be negative"),
        ("infovae[alpha=0.5,scale=0]", "alpha \\+ lambda"),
    ],
)
def test_wrong_values_are_usage_errors(written, fault):
    with pytest.raises(UsageError, match=fault):
        build(written)


@pytest.mark.parametrize("written", ["iwae[samples=1]", "beta_vae[beta=1]", "infovae[scale=1]"])
def test_each_has_the_plain_vae_as_a_special_case(written):
    x, losses = bits(6), []
    for name in ("vae", written):
        model = build(name)
        torch.manual_seed(1)
        losses.append(float(model.loss(x).total.detach()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_more_samples_raise_the_bound():
    """L_1 <= L_5 <= L_50 in expectation (Burda et al., 2016, Theorem 1)."""
    x, bounds = bits(20), []
    for samples in (1, 5, 50):
        model = build(f"iwae[samples={samples}]")
        torch.manual_seed(1)
        with torch.no_grad():
            bounds.append(-sum(float(model.loss(x).total) for _ in range(20)))
    assert bounds[0] < bounds[1] < bounds[2]
