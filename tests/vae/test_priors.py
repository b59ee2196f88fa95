"""Priors against torch.distributions, direct sums and numerical integration."""

import math
from copy import deepcopy

import pytest
import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from mae_bench.vae.binary.encoder import GaussianPosterior
from mae_bench.vae.priors import StandardGaussian, VampPrior


def make_vamp_prior(components, units=2):
    torch.manual_seed(0)
    encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(9, 6), torch.nn.Tanh())
    prior = VampPrior(encoder, GaussianPosterior(6, units), (1, 3, 3), components)
    prior.begin_with(torch.bernoulli(torch.full((components, 1, 3, 3), 0.5)))
    return prior


def test_a_standard_gaussian():
    prior, z = StandardGaussian(3), torch.randn(5, 3)
    torch.testing.assert_close(prior.log_density(z), Normal(0.0, 1.0).log_prob(z).sum(1))
    torch.manual_seed(0)
    drawn = prior.sample(4000)
    assert drawn.mean(0).abs().max() < 0.06
    assert (drawn.std(0) - 1).abs().max() < 0.05


def test_vamp_prior_is_the_mixture_of_the_posteriors_of_its_pseudo_inputs():
    prior, z = make_vamp_prior(components=5), torch.randn(7, 2)
    parts = prior.components()
    mixture = MixtureSameFamily(
        Categorical(torch.ones(5)), Independent(Normal(parts.mean, torch.exp(0.5 * parts.log_variance)), 1)
    )
    torch.testing.assert_close(prior.log_density(z), mixture.log_prob(z))


def test_vamp_prior_of_one_component_is_the_posterior_of_its_pseudo_input():
    prior, z = make_vamp_prior(components=1), torch.randn(7, 2)
    torch.testing.assert_close(prior.log_density(z), prior.components().log_density(z[None])[0])


def test_vamp_prior_integrates_to_one_in_two_dimensions():
    prior, side = make_vamp_prior(components=3), torch.linspace(-9, 9, 361)
    with torch.no_grad():
        density = prior.log_density(torch.cartesian_prod(side, side)).double().exp()
    assert float(density.sum() * 0.05**2) == pytest.approx(1, abs=1e-4)


def test_vamp_prior_draws_every_component_equally_often():
    prior = make_vamp_prior(components=2, units=1)
    with torch.no_grad():
        prior.pseudo_logits[0], prior.pseudo_logits[1] = -9.0, 9.0
        _, posterior = prior._of_the_vae
        posterior.parameters_of.scale.copy_(torch.tensor([60.0, 0.01]))
        low, high = sorted(prior.components().mean.flatten().tolist())
        assert high - low > 10
        drawn = prior.sample(1000).flatten()
    first = (drawn - low).abs() < (drawn - high).abs()
    assert abs(float(first.float().mean()) - 0.5) < 3 * math.sqrt(0.25 / 1000)
    assert torch.where(first, drawn - low, drawn - high).std() == pytest.approx(1, abs=0.1)


def test_vamp_prior_begins_with_the_images_and_keeps_them_within_range():
    prior = make_vamp_prior(components=5)
    x = torch.bernoulli(torch.full((2, 1, 3, 3), 0.5))
    prior.begin_with(x)
    pixels = torch.sigmoid(prior.pseudo_logits)
    assert torch.equal((pixels > 0.5).float(), x[[0, 1, 0, 1, 0]])
    assert pixels.min() > 0
    assert pixels.max() < 1


def test_a_copy_of_the_vae_has_a_prior_of_its_own_encoder():
    """Such as the Polyak average."""
    whole = torch.nn.ModuleDict({"prior": make_vamp_prior(components=2)})
    whole["encoder"], whole["posterior"] = whole["prior"]._of_the_vae
    copy = deepcopy(whole)
    assert copy["prior"]._of_the_vae == (copy["encoder"], copy["posterior"])
    assert copy["encoder"] is not whole["encoder"]


def test_the_encoder_belongs_to_the_vae_alone():
    assert list(make_vamp_prior(components=2).state_dict()) == ["pseudo_logits"]
    with pytest.raises(ValueError, match="components must be positive"):
        make_vamp_prior(components=0)
