"""Groups of latents: the product of Gaussians in closed form, and the ladder's densities by quadrature."""

from itertools import product

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from mae_bench.adapter import DataSpec, DiagonalGaussian
from mae_bench.metrics.density import importance_weighted_nll
from mae_bench.planning.registry import load_adapter_class
from mae_bench.vae.hierarchy import LOG_VARIANCE_BOUND, draw_from, gaussian_of, log_density_of, merged


def normal(gaussian):
    return Normal(gaussian.mean, torch.exp(0.5 * gaussian.log_variance))


def make_gaussian(seed, rows=1, units=1):
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn(2, rows, units, generator=generator, dtype=torch.double)
    return DiagonalGaussian(made[0], made[1])


def test_the_merged_gaussian_is_the_normalised_product():
    first, second, z = make_gaussian(0), make_gaussian(1), torch.linspace(-30, 30, 20001, dtype=torch.double)
    unnormalised = (normal(first).log_prob(z) + normal(second).log_prob(z)).exp().squeeze()
    expected = unnormalised / torch.trapezoid(unnormalised, z)
    torch.testing.assert_close(normal(merged(first, second)).log_prob(z).exp().squeeze(), expected)


def test_an_encoder_that_says_nothing_leaves_the_prior():
    prior = make_gaussian(0, 3, 2)
    silent = DiagonalGaussian(prior.mean + 5, torch.full_like(prior.mean, 60.0))
    assert kl_divergence(normal(merged(silent, prior)), normal(prior)).sum() < 1e-12


def test_gaussians_are_made_drawn_and_scored():
    parameters = torch.randn(4, 6, 2, 2)
    parameters[0, 3] = 99.0
    gaussian = gaussian_of(parameters)
    assert gaussian.mean.shape == (4, 12)
    assert torch.equal(gaussian.mean, parameters[:, :3].flatten(1))
    assert gaussian.log_variance.max() == LOG_VARIANCE_BOUND
    z = draw_from(gaussian)
    torch.testing.assert_close(log_density_of(gaussian, z), normal(gaussian).log_prob(z).sum(1), rtol=1e-4, atol=1e-4)


def make_ladder(side=2):
    torch.manual_seed(0)
    model = load_adapter_class("lvae")(DataSpec((1, side, side), "bernoulli", 100, 10), "smoke")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def test_the_ladder_is_a_distribution_and_that_of_its_samples():
    model = make_ladder()
    images = torch.tensor(list(product((0.0, 1.0), repeat=4))).view(-1, 1, 2, 2)
    with torch.no_grad():
        torch.manual_seed(1)
        probability = torch.exp(-importance_weighted_nll(model.importance_terms(images, 4000)))
        drawn = model.sample(20000).flatten(1)
    assert float(probability.sum()) == pytest.approx(1, abs=0.02)
    counts = torch.bincount((drawn @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long(), minlength=16) / 20000
    torch.testing.assert_close(counts, probability.float(), atol=0.02, rtol=0)


def test_the_ladder_merges_from_the_top_and_encodes_its_means():
    model, x = make_ladder(3), torch.bernoulli(torch.full((2, 1, 3, 3), 0.5))
    (top_layer, top), (bottom_layer, bottom) = model._encoded(x)
    assert (top_layer, bottom_layer) == (1, 0)
    expected = merged(bottom, gaussian_of(model.downward[1](top.mean))).mean
    torch.testing.assert_close(model.encode(x), torch.cat([top.mean, expected], dim=1))
