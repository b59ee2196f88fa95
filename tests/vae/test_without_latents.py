"""Models without latents: densities by enumeration, and draws from those densities."""

from itertools import product

import pytest
import torch

from mae_bench.adapter import DataSpec, NotSupported
from mae_bench.metrics.density import importance_weighted_nll
from mae_bench.nn.shifted_convolution import ShiftedConv2d
from mae_bench.planning.registry import load_adapter_class
from mae_bench.vae.without_latents import BernoulliPixels, CategoricalPixels, MixturePixels

MODELS = ["pixelcnn", "gated_pixelcnn", "pixelcnn_pp", "pixelrnn", "pixelsnail"]
NATURAL = "discretized_logistic_mixture"


def make(name, shape, likelihood="bernoulli"):
    torch.manual_seed(0)
    model = load_adapter_class(name)(DataSpec(shape, likelihood, 100, 10), "smoke").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def bits(side):
    return torch.tensor(list(product((0.0, 1.0), repeat=side**2))).view(-1, 1, side, side)


@pytest.mark.parametrize("name", MODELS)
def test_512_images_sum_to_one_and_columns_are_equal(name):
    model = make(name, (1, 3, 3))
    with torch.no_grad():
        terms = model.importance_terms(bits(3), 2)
    assert float(terms.log_weights[:, 0].double().exp().sum()) == pytest.approx(1, abs=1e-5)
    assert torch.equal(terms.log_weights[:, 0], terms.log_weights[:, 1])
    torch.testing.assert_close(model.log_likelihood(bits(3)), terms.log_likelihood[:, 0])
    assert terms.log_likelihood.std() > 0.5


@pytest.mark.parametrize("name", MODELS)
def test_256_levels_of_a_pixel_sum_to_one(name):
    model = make(name, (1, 1, 1), NATURAL)
    levels = torch.arange(256.0).view(-1, 1, 1, 1) / 255
    probability = model.log_likelihood(levels).double().exp()
    assert float(probability.detach().sum()) == pytest.approx(1, abs=1e-5)
    assert probability.min() > 0


@pytest.mark.parametrize("name", ["pixelcnn", "gated_pixelcnn"])
def test_the_channels_of_a_colour_are_conditioned_in_turn(name):
    """Given red and green, the 256 blues sum to the probability of red and green, which the greens share out."""
    model = make(name, (3, 1, 1), NATURAL)
    channel = torch.arange(256.0) / 255
    with torch.no_grad():
        blue = torch.stack([torch.full((256,), 0.2), torch.full((256,), 0.6), channel], 1)[..., None, None]
        maps = model.network(blue)
        each = [CategoricalPixels(1).log_likelihood(blue[:, c : c + 1], maps[:, c::3]).double() for c in range(3)]
        torch.testing.assert_close(sum(each).float(), model.log_likelihood(blue))
        assert each[0].std() < 1e-6  # red does not see blue,
        assert each[1].std() < 1e-6  # nor does green,
        assert float(each[2].exp().sum()) == pytest.approx(1, abs=1e-5)  # and blue is a distribution of its own


@pytest.mark.parametrize("name", MODELS)
def test_samples_have_the_density(name):
    model = make(name, (1, 2, 2))
    probability = model.log_likelihood(bits(2)).exp().detach()
    drawn = model.sample(8000).flatten(1)
    counts = torch.bincount((drawn @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long(), minlength=16) / 8000
    torch.testing.assert_close(counts, probability, atol=0.02, rtol=0)


@pytest.mark.parametrize("pixels", [CategoricalPixels(1), MixturePixels(1)])
def test_drawn_levels_have_their_probabilities(pixels):
    torch.manual_seed(0)
    maps = torch.randn(1, pixels.maps, 1, 1).expand(20000, -1, -1, -1)
    drawn = (pixels.sample(maps) * 255).round().long().flatten()
    levels = torch.arange(256.0).view(-1, 1, 1, 1) / 255
    probability = pixels.log_likelihood(levels, maps[:256]).exp()
    eighths = torch.bincount(drawn, minlength=256).view(8, 32).sum(1) / 20000
    torch.testing.assert_close(eighths, probability.view(8, 32).sum(1), atol=0.015, rtol=0)


def test_bits_are_scored_by_their_logits():
    pixels, logits = BernoulliPixels(2), torch.randn(3, 2, 1, 2)
    x = torch.bernoulli(torch.full((3, 2, 1, 2), 0.5))
    expected = torch.distributions.Bernoulli(logits=logits).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(pixels.log_likelihood(x, logits), expected)


def test_there_is_nothing_to_encode():
    with pytest.raises(NotSupported, match="it has no latents"):
        make("pixelcnn", (1, 2, 2)).encode(bits(2))


@pytest.mark.parametrize(("shape", "likelihood"), [((1, 1, 1), NATURAL), ((1, 2, 2), "bernoulli")])
def test_real_nvp_is_a_bound_whose_missing_probability_lies_beyond_the_logits_edges(shape, likelihood):
    """By quadrature over the noise: what is missing from one is what the flow's samples put outside [0, 1]."""
    model = make("real_nvp", shape, likelihood)
    x = bits(2) if likelihood == "bernoulli" else torch.arange(256.0).view(-1, 1, 1, 1) / 255
    with torch.no_grad():
        for layer in model.flow.boards.modules():
            if isinstance(layer, ShiftedConv2d):
                layer.bias.copy_(torch.tensor([-0.9, 0.3]))  # wider and off the middle
        torch.manual_seed(1)
        total = float(torch.exp(-importance_weighted_nll(model.importance_terms(x, 1000))).sum())
        z = torch.randn(20000, model.data.dimensions)
        inner = torch.sigmoid(model.flow.inverse(z, shape)).flatten(1)
    within = float(((inner > 0.05) & (inner < 0.95)).all(1).float().mean())
    assert within < 0.999
    assert total == pytest.approx(within, abs=0.02)


def test_real_nvp_samples_are_levels_and_its_representation_has_no_chance():
    model = make("real_nvp", (1, 4, 4), NATURAL)
    x = model.sample(5)
    torch.testing.assert_close((x * 255).round() / 255, x)
    assert torch.equal(model.encode(x), model.encode(x))
