"""The mixture over patches against scikit-learn's own scores and sums over the levels of one pixel."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm

from mae_bench.adapter import DataSpec, ImportanceTerms
from mae_bench.planning.registry import load_adapter_class

PatchMixture = load_adapter_class("gmm")


class _Images:
    def __init__(self, pixels):
        self.pixels = pixels

    def __len__(self):
        return len(self.pixels)

    def batch(self, indices, generator):
        return self.pixels[indices]


class _Context:
    device = torch.device("cpu")

    def __init__(self):
        self.generator = torch.Generator().manual_seed(0)


def fitted(shape, components, patch, images=200):
    """On images whose pixels vary together."""
    torch.manual_seed(0)
    model = PatchMixture(DataSpec(shape, "discretized_logistic_mixture", 100, 10), "smoke", components, patch)
    brightness = torch.rand(images, 1, 1, 1)
    pixels = ((0.7 * brightness + 0.3 * torch.rand(images, *shape)) * 255).round() / 255
    model.fit(_Images(pixels), _Images(pixels), _Context())
    return model, pixels


def test_patches_tile_the_image_and_are_scored_as_independent_draws():
    model, pixels = fitted((3, 4, 4), components=2, patch=2)
    noise = torch.rand(pixels[:5].shape)
    found = model.log_density(pixels[:5], noise)
    levels = ((pixels[:5] * 255 + noise) / 256).numpy()
    weights, means = model.log_weight.numpy(), model.mean.numpy()
    covariances = [np.linalg.inv(whitening @ whitening.T) for whitening in model.whitening.double().numpy()]
    for image, value in zip(levels, found, strict=True):
        expected = -3 * 16 * np.log(256)
        for row, column in product((0, 2), (0, 2)):
            patch = image[:, row : row + 2, column : column + 2].reshape(-1)
            expected += logsumexp([
                weight + multivariate_normal.logpdf(patch, mean, covariance)
                for weight, mean, covariance in zip(weights, means, covariances, strict=True)
            ])  # fmt: skip
        assert float(value) == pytest.approx(expected, rel=1e-3)


def test_the_probabilities_of_all_levels_of_a_pixel_sum_to_what_the_gaussians_have_inside():
    model, _ = fitted((1, 1, 1), components=2, patch=8)
    levels = (torch.arange(256) / 255).view(-1, 1, 1, 1)
    torch.manual_seed(1)
    terms = model.importance_terms(levels, 2000)
    total = float(terms.log_likelihood.exp().mean(1).sum())
    scale = (1 / model.whitening.flatten()).numpy()
    inside = norm.cdf(1, model.mean[:, 0], scale) - norm.cdf(0, model.mean[:, 0], scale)
    expected = float((model.log_weight.exp().numpy() * inside).sum())
    assert expected < 1
    assert total == pytest.approx(expected, abs=2e-3)


def test_more_components_fit_better_and_the_terms_are_those_of_uniform_noise():
    scores = []
    for components in (1, 4):
        model, pixels = fitted((1, 4, 4), components, patch=4, images=2000)
        torch.manual_seed(1)
        terms = model.importance_terms(pixels[:500], 2)
        assert isinstance(terms, ImportanceTerms)
        assert torch.equal(terms.log_prior, terms.log_posterior)
        scores.append(float(terms.log_likelihood.mean()))
    assert scores[0] < scores[1]


def test_a_patch_is_the_largest_that_tiles_the_image():
    for shape, side in (((3, 32, 32), 8), ((1, 28, 28), 7), ((1, 9, 6), 3), ((1, 5, 7), 1)):
        model = PatchMixture(DataSpec(shape, "discretized_logistic_mixture", 100, 10), "smoke", components=1)
        assert model.side == side


def test_samples_have_the_mean_and_the_covariance_of_the_images():
    model, pixels = fitted((1, 2, 2), components=1, patch=2, images=5000)
    torch.manual_seed(1)
    drawn = model.sample(20_000)
    assert drawn.shape == (20_000, 1, 2, 2)
    torch.testing.assert_close(drawn.mean(0), pixels.mean(0), atol=0.02, rtol=0)
    of_drawn, of_pixels = (torch.cov(images.flatten(1).T) for images in (drawn, pixels))
    torch.testing.assert_close(of_drawn, of_pixels, atol=0.004, rtol=0)


def test_components_and_patch_must_be_positive():
    with pytest.raises(ValueError, match="components and patch must be positive, and are 0 and 8"):
        PatchMixture(DataSpec((3, 4, 4), "discretized_logistic_mixture", 100, 10), "smoke", components=0)
