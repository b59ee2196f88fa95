"""The mixture of discretised logistics: by enumeration of colours, against SciPy, at its edges, and by its samples."""

import math

import pytest
import torch
from scipy.stats import chisquare, logistic

from mae_bench.vae.natural.mixture import DiscretisedLogisticMixture


def make_maps(mixture, pixels=1, scale=2.0, dtype=torch.float64):
    """Random maps [pixels, maps, 1, 1] of a network, coefficients between channels among them."""
    torch.manual_seed(0)
    return (scale * torch.randn(pixels, mixture.maps, 1, 1)).to(dtype)


def every_colour(channels, levels):
    """[levels^channels, channels, 1, 1] in [0, 1], and the levels as integers."""
    grid = torch.cartesian_prod(*[torch.arange(levels)] * channels).view(-1, channels)
    return (grid.double() / (levels - 1))[:, :, None, None], grid


def probabilities(mixture, x, maps):
    return mixture.log_likelihood(x, maps.expand(len(x), -1, -1, -1).to(x.dtype)).exp()


@pytest.mark.parametrize(("channels", "levels"), [(1, 2), (1, 256), (2, 5), (2, 256), (3, 8), (3, 16)])
@pytest.mark.parametrize("scale", [0.5, 2.0, 8.0])
def test_probabilities_sum_to_one_over_all_colours(channels, levels, scale):
    mixture = DiscretisedLogisticMixture(channels, components=4, levels=levels)
    x, _ = every_colour(channels, levels)
    found = probabilities(mixture, x, make_maps(mixture, scale=scale))
    assert float(found.sum()) == pytest.approx(1, abs=1e-12)
    assert found.max() > 1.1 * found.min()


def test_the_256_cubed_colours_of_a_pixel_sum_to_one():
    """Summed over all blues, edge bins included, a colour has the probability that a mixture of red and green alone
    gives it; and that one sums to one over all 65,536 of its colours.
    """
    mixture, pair = DiscretisedLogisticMixture(3, components=2), DiscretisedLogisticMixture(2, components=2)
    maps = make_maps(mixture, scale=1.0)
    of_pair = [0, 1, 2, 4, 5, 7]  # of ten: the weight, two means, two log scales, the coefficient of green on red
    pair_maps = maps.view(2, 10)[:, of_pair].reshape(1, -1, 1, 1)
    some = torch.tensor([0, 1, 100, 254, 255])
    x = torch.cartesian_prod(some, some, torch.arange(256)).double()[:, :, None, None] / 255
    joint = probabilities(mixture, x, maps).view(25, 256).sum(1)
    torch.testing.assert_close(joint, probabilities(pair, x[::256, :2], pair_maps), rtol=1e-9, atol=0)
    every_pair, _ = every_colour(2, 256)
    assert float(probabilities(pair, every_pair, pair_maps).sum()) == pytest.approx(1, abs=1e-12)


def test_each_colour_has_the_probability_that_scipy_gives_it():
    """Salimans et al. (2017), eqs. (1) to (3), written out: means of channels, bins, edges that reach to infinity."""
    mixture = DiscretisedLogisticMixture(3, components=2, levels=6)
    maps = make_maps(mixture, scale=0.8)
    weight, m, log_s, k = maps.view(2, 10).split([1, 3, 3, 3], dim=1)
    weight, s = weight.flatten().softmax(0).numpy(), log_s.exp().numpy()
    m, k = m.numpy(), k.tanh().numpy()
    x, grid = every_colour(3, 6)
    found = probabilities(mixture, x, maps).numpy()

    def bin_probability(level, mean, scale):
        value = 2 * level / 5 - 1
        upper = 1.0 if level == 5 else logistic.cdf(value + 1 / 5, mean, scale)
        return upper - (0.0 if level == 0 else logistic.cdf(value - 1 / 5, mean, scale))

    for (red, green, blue), probability in zip(grid.tolist(), found, strict=True):
        r, g = 2 * red / 5 - 1, 2 * green / 5 - 1
        expected = sum(
            weight[i]
            * bin_probability(red, m[i, 0], s[i, 0])
            * bin_probability(green, m[i, 1] + k[i, 0] * r, s[i, 1])
            * bin_probability(blue, m[i, 2] + k[i, 1] * r + k[i, 2] * g, s[i, 2])
            for i in range(2)
        )
        assert probability == pytest.approx(expected, rel=1e-9)


def test_it_has_a_hundred_maps_for_ten_components_and_three_channels():
    assert DiscretisedLogisticMixture(3, 10).maps == 100
    assert DiscretisedLogisticMixture(1, 10).maps == 30


def test_images_of_one_byte_come_back_to_their_levels():
    """x = level / 255 in float32: each level is told from its neighbours, and the outermost are the edges."""
    mixture = DiscretisedLogisticMixture(1, components=1)
    x = (torch.arange(256).float() / 255)[:, None, None, None]
    maps = torch.zeros(256, 3, 1, 1)
    maps[:, 1, 0, 0] = 2 * torch.arange(256) / 255 - 1
    maps[:, 2] = -7
    assert (mixture.log_likelihood(x, maps).exp() > 0.95).all()
    beside = mixture.log_likelihood(x, maps.roll(1, 0)).exp()
    assert (beside[1:] < 0.02).all()


def test_the_log_likelihood_is_the_sum_over_pixels():
    mixture = DiscretisedLogisticMixture(3, components=2)
    maps = make_maps(mixture, pixels=6, scale=1.0)
    x = torch.randint(256, (6, 3, 1, 1)).double() / 255
    image, its_maps = (part.squeeze().T.reshape(1, -1, 2, 3) for part in (x, maps))
    expected = mixture.log_likelihood(x, maps).sum()
    torch.testing.assert_close(mixture.log_likelihood(image, its_maps)[0], expected, rtol=1e-12, atol=0)


def test_a_sampled_channel_is_a_level_before_the_next_is_drawn_from_it():
    """Levels -1, 0 and 1. Red, drawn near 0.3, is 0, so that green is drawn near 0 + 0.3 and not 0.3 + 0.3."""
    mixture = DiscretisedLogisticMixture(2, components=1, levels=3)
    maps = torch.tensor([0.0, 0.3, 0.3, -7.0, -7.0, 20.0]).view(1, 6, 1, 1).expand(200, -1, -1, -1)
    drawn = mixture.sample(maps)
    assert (drawn == 0.5).all()


@pytest.mark.parametrize("uniform", [torch.zeros_like, torch.ones_like])
def test_the_rarest_of_draws_lies_beside_the_mean_of_a_narrow_component(monkeypatch, uniform):
    """torch draws from [0, 1), and the logarithms at its ends are not finite: the level would be the outermost."""
    monkeypatch.setattr(torch, "rand_like", uniform)
    maps = torch.tensor([0.0, 0.0, -7.0]).view(1, 3, 1, 1)  # weight, mean and log scale
    drawn = DiscretisedLogisticMixture(1, components=1).sample(maps)
    assert float(drawn) == pytest.approx(0.5, abs=0.01)


def test_samples_are_bit_for_bit_the_levels_of_images():
    mixture = DiscretisedLogisticMixture(3, components=2)
    drawn = mixture.sample(make_maps(mixture, pixels=2000, scale=0.5, dtype=torch.float32))
    levels = torch.arange(256).float() / 255
    assert torch.isin(drawn, levels).all()
    assert len(drawn.unique()) > 200


def test_what_lies_between_two_levels_counts_as_the_nearer_one():
    mixture = DiscretisedLogisticMixture(3, components=2)
    maps = make_maps(mixture, pixels=50, scale=1.0)
    levels = torch.randint(256, (50, 3, 1, 1)).double()
    expected = mixture.log_likelihood(levels / 255, maps)
    for off in (-0.4, 0.4):
        assert torch.equal(mixture.log_likelihood((levels + off) / 255, maps), expected)


EXTREME = {
    "ordinary": 1.0,
    "large": 100.0,
    "huge": 1e6,
}


@pytest.mark.parametrize("kind", EXTREME)
@pytest.mark.parametrize("brightness", [0.0, 1.0, 128 / 255])
def test_the_likelihood_and_its_gradient_are_finite(kind, brightness):
    mixture = DiscretisedLogisticMixture(3, components=10)
    maps = make_maps(mixture, pixels=50, scale=EXTREME[kind], dtype=torch.float32).requires_grad_()
    log_likelihood = mixture.log_likelihood(torch.full((50, 3, 1, 1), brightness), maps)
    log_likelihood.sum().backward()
    assert log_likelihood.isfinite().all()
    assert maps.grad.isfinite().all()
    for sign in (-1.0, 1.0):
        constant = torch.full((1, 100, 1, 1), sign * EXTREME[kind])
        assert mixture.log_likelihood(torch.full((1, 3, 1, 1), brightness), constant).isfinite().all()


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_float32_is_within_a_thousandth_of_a_nat_a_dimension(scale):
    mixture = DiscretisedLogisticMixture(3, components=10)
    maps = make_maps(mixture, pixels=2000, scale=scale)
    x = torch.randint(256, (2000, 3, 1, 1)).float() / 255
    single = mixture.log_likelihood(x, maps.float())
    double = mixture.log_likelihood(x.double(), maps.float().double())
    assert (single.double() - double).abs().max() / 3 < 1e-3


@pytest.mark.parametrize("levels", [3, 4])
def test_samples_have_the_enumerated_probabilities(levels):
    """Chi-square over all colours; the component is drawn, not the likeliest taken."""
    mixture, count = DiscretisedLogisticMixture(3, components=3, levels=levels), 40_000
    maps = make_maps(mixture, scale=1.0)
    x, _ = every_colour(3, levels)
    expected = count * probabilities(mixture, x, maps)
    torch.manual_seed(1)
    drawn = mixture.sample(maps.expand(count, -1, -1, -1))
    assert drawn.shape == (count, 3, 1, 1)
    whole = (drawn * (levels - 1)).flatten(1)
    assert torch.allclose(whole, whole.round())
    powers = levels ** torch.arange(2, -1, -1)
    found = torch.bincount((whole.round().long() * powers).sum(1), minlength=levels**3).double()
    common = expected >= 5
    rare = torch.stack([found[~common].sum(), expected[~common].sum()])
    observed, wanted = torch.cat([found[common], rare[:1]]), torch.cat([expected[common], rare[1:]])
    assert chisquare(observed[wanted > 0], wanted[wanted > 0]).pvalue > 1e-3
    assert common.sum() > levels**2


def test_each_pixel_of_a_sample_follows_its_own_maps():
    mixture = DiscretisedLogisticMixture(3, components=2)
    maps = torch.zeros(5, mixture.maps, 4, 6)
    wanted = torch.rand(5, 4, 6)
    per_component = maps.view(5, 2, 10, 4, 6)
    per_component[:, :, 1] = 2 * wanted[:, None] - 1  # red
    per_component[:, :, 4:7] = -7
    assert (mixture.sample(maps)[:, 0] - wanted).abs().max() < 10 * math.exp(-7)
