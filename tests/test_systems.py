"""The comparison systems of the paper's tables as a user's command line builds them: contract, sizes, objectives."""

import ast

import pytest
import torch

from mae_bench.adapter import DataSpec, NotSupported
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.registry import build_adapter, load_adapter_class, resolve_models
from mae_bench.testing import check_adapter
from mae_bench.vae.objectives import ImportanceWeighted, diversity_loss, smoothness_loss

ON_THE_MLP = ["vae", "iwae", "beta_vae", "infovae"]
WITHOUT_LATENTS = ["pixelcnn", "gated_pixelcnn", "pixelcnn_pp", "pixelrnn", "pixelsnail", "real_nvp"]
SYSTEMS = [*ON_THE_MLP, "vampprior", "iaf_vae", "lvae", "conv_draw", "vdvae", "sa_vae", "dvae", *WITHOUT_LATENTS]


def build(written, shape=(1, 5, 5), preset="smoke"):
    (reference,) = resolve_models(written)
    torch.manual_seed(0)
    likelihood = "bernoulli" if shape[0] == 1 else "discretized_logistic_mixture"
    return build_adapter(reference, DataSpec(shape, likelihood, 100, 10), preset)


def bits(count, size=5):
    return torch.bernoulli(torch.full((count, 1, size, size), 0.4))


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_keeps_the_contract(name, monkeypatch):
    """On bits; their likelihoods of levels are enumerated in tests/vae, and `check-model` checks both."""
    adapter_class = load_adapter_class(name)
    monkeypatch.setattr(adapter_class, "likelihoods", frozenset({"bernoulli"}))
    check_adapter(adapter_class)


@pytest.mark.parametrize("name", ["iaf_vae", "conv_draw", "gmm"])
def test_models_of_natural_images_keep_the_contract(name, monkeypatch):
    adapter_class = load_adapter_class(name)
    monkeypatch.setattr(adapter_class, "likelihoods", frozenset({"discretized_logistic_mixture"}))
    check_adapter(adapter_class)


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
        if isinstance(node, ast.ImportFrom) and node.module.startswith("mae_bench"):
            names = {alias.name for alias in node.names}
            if node.module in ("mae_bench", "mae_bench.vae"):
                assert names <= set(__import__(node.module, fromlist=["__all__"]).__all__)
            else:
                assert node.module.startswith("mae_bench.nn.")
                assert not any(name.startswith("_") for name in names)
    assert "20" in ast.get_docstring(tree).partition("(")[2]


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("iwae[samples=0]", "samples must be positive"),
        ("vampprior[components=0]", "components must be positive"),
        ("iaf_vae[steps=-1]", "steps must not be negative"),
        ("iaf_vae[objective=gan]", "objective must be one of elbo, mae"),
        ("vdvae[samples=0]", "samples must be positive"),
        ("lvae[samples=0]", "samples must be positive"),
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


def test_iaf_without_steps_has_a_gaussian_posterior_and_with_steps_none():
    x = bits(3)
    assert build("iaf_vae[steps=0]").posterior(x).mean.shape == (3, 8)
    with pytest.raises(NotSupported, match="its posterior is a flow"):
        build("iaf_vae").posterior(x)


def test_iaf_scores_its_draws_by_the_change_of_variables():
    model, x = build("iaf_vae[steps=2]").eval(), bits(2)
    with torch.no_grad():
        torch.manual_seed(1)
        z, log_density = model.draw(model.gaussian(x), 3)
        torch.manual_seed(1)
        gaussian = model.gaussian(x)
        start = gaussian.sample(3)
        moved, change = model.flow(start[1, 2:], gaussian.context[1:])
    torch.testing.assert_close(z[1, 2:], moved)
    torch.testing.assert_close(log_density[1, 2], gaussian.log_density(start)[1, 2] - change[0])


def test_the_mutual_posterior_term_of_any_gaussian():
    x, losses = bits(6), {}
    for objective in ("elbo", "mae"):
        model = build(f"iaf_vae[objective={objective},eta=2.0,gamma=0.5]")
        torch.manual_seed(1)
        losses[objective] = model.loss(x)
    gaussian = model.gaussian(x)
    term = 2 * diversity_loss(gaussian.mean, gaussian.log_variance)
    term = term + 0.5 * smoothness_loss(gaussian.mean, gaussian.log_variance)
    torch.testing.assert_close(losses["mae"].total, losses["elbo"].total + term)


@pytest.mark.parametrize("name", ["conv_draw", "vdvae"])
def test_the_kl_of_a_hierarchy_is_not_negative_on_average_and_its_bound_holds(name):
    """The mean of sampled KLs, and L_8 above L_1."""
    model, x = build(name).eval(), bits(4)
    with torch.no_grad():
        terms = model.importance_terms(x, 400)
        kl = (terms.log_posterior - terms.log_prior).mean(1)
        torch.manual_seed(1)
        bounds = [
            -float(ImportanceWeighted()(-terms.log_likelihood[:, :k], -_rest(terms)[:, :k]).total) for k in (1, 400)
        ]
    assert (kl > 0).all()
    assert bounds[0] < bounds[1]


def _rest(terms):
    return terms.log_prior - terms.log_posterior


def test_a_step_of_conv_draw_whose_encoder_is_silent_has_the_prior():
    """Without images the encoder is not asked, and every KL is 0."""
    drawn = build("conv_draw")._pass(5, None)
    assert torch.equal(drawn.log_prior, drawn.log_posterior)
