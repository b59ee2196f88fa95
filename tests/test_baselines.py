"""The three baselines as a user's command line builds them: defaults, faults, every image size, public names alone."""

import ast

import pytest
import torch

from mae_bench.adapter import DataSpec
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import UsageError
from mae_bench.nn.weight_norm import WeightNormalised
from mae_bench.planning.registry import build_adapter, load_adapter_class, resolve_models
from mae_bench.testing import examine_adapter
from mae_bench.vae import VAE
from mae_bench.vae.binary.decoders import PixelCNNDecoder, ResNetDecoder
from mae_bench.vae.objectives import ELBO, MutualPosteriorDivergence, diversity_loss, mean_diversity_loss

BASELINES = ["mae", "vlae", "resnet_vae"]


def build(written, size=5, preset="smoke"):
    (reference,) = resolve_models(written)
    torch.manual_seed(0)
    return build_adapter(reference, DataSpec((1, size, size), "bernoulli", 100, 10), preset)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("mae", {"eta": 1.0, "gamma": 0.5, "diversity": "paper"}),
        ("vlae", {"free_bits": 0.01}),
        ("resnet_vae", {}),
    ],
)
def test_defaults(name, params):
    (reference,) = resolve_models(name)
    assert dict(reference.params) == params


@pytest.mark.parametrize("preset", ["smoke", "small", "paper"])
def test_each_is_made_of_the_specified_parts(preset):
    mae, vlae, resnet_vae = (build(name, 28, preset) for name in BASELINES)
    assert isinstance(mae.objective, MutualPosteriorDivergence)
    assert (mae.objective.eta, mae.objective.gamma, mae.objective.diversity) == (1.0, 0.5, diversity_loss)
    assert isinstance(vlae.objective, ELBO)
    assert vlae.objective.least_kl == pytest.approx(7.84)
    assert isinstance(resnet_vae.objective, ELBO)
    assert resnet_vae.objective.least_kl == -float("inf")
    assert isinstance(mae.decoder, PixelCNNDecoder)
    assert isinstance(vlae.decoder, PixelCNNDecoder)
    assert isinstance(resnet_vae.decoder, ResNetDecoder)
    shapes = [{name: value.shape for name, value in model.state_dict().items()} for model in (mae, vlae, resnet_vae)]
    assert shapes[0] == shapes[1]
    same = {name: shape for name, shape in shapes[0].items() if not name.startswith("decoder")}
    assert same == {name: shape for name, shape in shapes[2].items() if not name.startswith("decoder")}


def test_parameters_in_brackets_reach_the_objective():
    mae = build('mae[eta=2.0,gamma=0.25,diversity="mean"]')
    assert (mae.objective.eta, mae.objective.gamma) == (2.0, 0.25)
    posteriors = torch.randn(4, 3), torch.zeros(4, 3)
    assert mae.objective.diversity(*posteriors) == mean_diversity_loss(*posteriors, eta=2.0)
    assert build("vlae[free_bits=0.5]").objective.least_kl == 12.5
    assert build("vlae[free_bits=0]").objective.least_kl == -float("inf")


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("mae[eta=-1]", "eta and gamma must not be negative"),
        ("mae[gamma=-0.5]", "eta and gamma must not be negative"),
        ("mae[diversity=median]", "diversity must be one of paper, mean"),
        ("vlae[free_bits=-0.1]", "free_bits must not be negative"),
        ("vlae[eta=1]", "eta"),
        ("resnet_vae[free_bits=0.1]", "free_bits"),
    ],
)
def test_wrong_values_are_usage_errors(written, fault):
    with pytest.raises(UsageError, match=fault):
        build(written)


@pytest.mark.parametrize("size", [3, 5, 8, 28])
@pytest.mark.parametrize("name", BASELINES)
def test_a_step_of_training_moves_every_weight_at_every_image_size(name, size):
    model = build(name, size)
    x = torch.bernoulli(torch.full((10, 1, size, size), 0.4))
    model.initialise(x)
    with torch.no_grad():
        model.posterior_of.parameters_of.bias[:8] += 4.0  # far from the prior: the KL is above any free bits
    loss = model.loss(x)
    loss.total.backward()
    assert loss.total.isfinite()
    assert loss.terms["kl"] > 0.01 * size * size
    for path, parameter in model.named_parameters():
        layer, _, kind = path.rpartition(".")
        layer = model.get_submodule(layer)
        assert isinstance(layer, WeightNormalised)
        assert parameter.grad is not None, path
        assert parameter.grad.isfinite().all(), path
        if kind == "direction" and parameter.numel() == layer.scale.numel():
            continue  # of a single weight only the sign is in its direction
        assert (parameter.grad != 0).any(), path
        if kind == "direction" and layer.mask is not None:
            assert (parameter.grad[layer.mask.expand_as(parameter) == 0] == 0).all(), path


@pytest.mark.parametrize("size", [3, 5, 8, 28])
@pytest.mark.parametrize("name", BASELINES)
def test_all_answers_at_every_image_size(name, size):
    model = build(name, size).eval()
    x = torch.bernoulli(torch.full((3, 1, size, size), 0.4))
    with torch.no_grad():
        terms = model.importance_terms(x, 2)
        for term in (terms.log_likelihood, terms.log_prior, terms.log_posterior):
            assert term.shape == (3, 2)
            assert term.isfinite().all()
        assert model.encode(x).shape == model.posterior(x).mean.shape == (3, 8)
        if size <= 8:  # 784 passes at 28 x 28 would show nothing new
            assert model.sample(2).shape == (2, 1, size, size)
            assert model.reconstruct(x).shape == x.shape


@pytest.mark.parametrize("written", ["mae[eta=0.5,gamma=1.5]", "vlae", "resnet_vae"])
def test_each_picks_networks_for_natural_images_from_the_data_and_keeps_the_contract(written, monkeypatch):
    """The conformance suite on colour images alone."""
    monkeypatch.setattr(VAE, "likelihoods", frozenset({"discretized_logistic_mixture"}))
    (reference,) = resolve_models(written)
    results = list(examine_adapter(load_adapter_class(reference.code), dict(reference.params)))
    assert [result.sentence for result in results if result.verdict == "broken"] == []
    assert {result.rule for result in results if result.verdict == "not applicable"} <= {"devices"}
    assert "images of shape (3, 8, 8)" in results[0].sentence


@pytest.mark.parametrize("name", BASELINES)
def test_each_imports_public_names_alone(name):
    tree = ast.parse((content_folder("baselines") / f"{name}.py").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imports
    for node in imports:
        assert isinstance(node, ast.ImportFrom), ast.unparse(node)
        assert node.module in {"mae_bench", "mae_bench.vae"}, ast.unparse(node)
        assert node.level == 0
        public = __import__(node.module, fromlist=["__all__"]).__all__
        assert {alias.name for alias in node.names} <= set(public)
