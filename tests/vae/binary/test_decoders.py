"""Decoders by enumeration of every small image, and the residual decoder against the specification written out."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from scipy.stats import chisquare
from torch.distributions import Bernoulli

from mae_bench.vae.binary.decoders import PixelCNNDecoder, ResNetDecoder, bernoulli_log_likelihood
from mae_bench.vae.binary.networks import BINARY_SIZES


def make_decoder(kind, preset, shape):
    """A decoder in float64, all of its weights, scales and biases disturbed, and a few z."""
    torch.manual_seed(0)
    size = BINARY_SIZES[preset]
    if kind == "pixelcnn":
        decoder = PixelCNNDecoder(shape, size.units, size.pixelcnn_width, size.pixelcnn_kernels)
    else:
        decoder = ResNetDecoder(shape, size.units, size.resnet_widths)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return decoder.double(), torch.randn(3, size.units).double()


def every_image(shape):
    bits = list(product([0.0, 1.0], repeat=shape[0] * shape[1] * shape[2]))
    return torch.tensor(bits, dtype=torch.float64).view(-1, *shape)


def probabilities(decoder, images, z):
    """p(x|z) of every image, for one z [units]."""
    with torch.no_grad():
        return decoder.log_likelihood(images, z.expand(len(images), -1)).exp()


def test_bernoulli_log_likelihood_is_torch_distributions():
    torch.manual_seed(0)
    logits = 3 * torch.randn(4, 2, 3, 5, dtype=torch.float64)
    x = torch.bernoulli(torch.full_like(logits, 0.5))
    expected = Bernoulli(logits=logits).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(bernoulli_log_likelihood(x, logits), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("preset", ["smoke", "small", "paper"])
@pytest.mark.parametrize("kind", ["pixelcnn", "resnet"])
def test_the_likelihood_of_all_images_of_3_by_3_pixels_sums_to_one(kind, preset):
    decoder, several_z = make_decoder(kind, preset, (1, 3, 3))
    images = every_image((1, 3, 3))
    assert len(images) == 2**9
    distributions = [probabilities(decoder, images, z) for z in several_z]
    for distribution in distributions:
        assert float(distribution.sum()) == pytest.approx(1, abs=1e-10)
        assert distribution.max() > 3 * distribution.min()  # far from uniform
    assert (distributions[0] - distributions[1]).abs().sum() > 0.1  # z matters


@pytest.mark.parametrize("kind", ["pixelcnn", "resnet"])
def test_two_channels_sum_to_one_too(kind):
    decoder, several_z = make_decoder(kind, "smoke", (2, 2, 2))
    assert float(probabilities(decoder, every_image((2, 2, 2)), several_z[0]).sum()) == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("kind", ["pixelcnn", "resnet"])
def test_samples_have_the_enumerated_probabilities(kind):
    """Chi-square over all images of 2x3 pixels: rows and columns differ, so a swapped order would show."""
    shape, count = (1, 2, 3), 20_000
    decoder, several_z = make_decoder(kind, "smoke", shape)
    expected = count * probabilities(decoder, every_image(shape), several_z[0])
    torch.manual_seed(1)
    with torch.no_grad():
        samples = decoder.sample(several_z[0].expand(count, -1))
    assert samples.shape == (count, *shape)
    assert ((samples == 0) | (samples == 1)).all()
    numbers = (samples.flatten(1).long() * 2 ** torch.arange(5, -1, -1)).sum(1)
    found = torch.bincount(numbers, minlength=64).double()
    common = expected >= 5
    assert common.sum() > 10
    rest = torch.stack([found[~common].sum(), expected[~common].sum()])
    result = chisquare(torch.cat([found[common], rest[:1]]), torch.cat([expected[common], rest[1:]]))
    assert result.pvalue > 1e-3


def test_each_row_of_a_sampled_batch_follows_its_own_z():
    decoder, several_z = make_decoder("pixelcnn", "smoke", (1, 2, 2))
    torch.manual_seed(1)
    with torch.no_grad():
        means = decoder.sample(several_z.repeat_interleave(5000, 0)).view(3, 5000, 4).mean(1)
    images = every_image((1, 2, 2))
    expected = torch.stack([probabilities(decoder, images, z) @ images.flatten(1) for z in several_z])
    assert (expected[0] - expected[1]).abs().max() > 0.1
    assert (means - expected).abs().max() < 4 * 0.5 / 5000**0.5


def test_the_residual_decoder_is_the_specification_written_out():
    """Specification "ResNet decoder": 4 -> 7 -> 14 -> 28 with widths 64, 32, 1, on the module's own weights."""
    decoder, z = make_decoder("resnet", "paper", (1, 28, 28))

    def up(layer, x, stride, padding, size):
        return F.conv_transpose2d(
            x,
            layer.weight(),
            layer.bias,
            stride=stride,
            padding=padding,
            # A stride of two leaves one row and column open; none if the side is 2n - 1.
            output_padding=int(stride == 2 and size == 2 * x.shape[2]),
        )

    with torch.no_grad():
        x = F.elu(torch.einsum("nu,uchw->nchw", z, decoder.first.weight()) + decoder.first.bias[:, None, None])
        assert x.shape == (3, 64, 4, 4)
        for block, width, size in zip(decoder.blocks, (64, 32, 1), (7, 14, 28), strict=True):
            hidden = up(block.first, F.elu(x), 2, 1, size)
            hidden = up(block.second, F.elu(hidden), 1, 1, size)
            x = hidden + up(block.projection, x, 2, 0, size)
            assert x.shape == (3, width, size, size)
        found = decoder.logits(z)
    assert x.std() > 0.1
    torch.testing.assert_close(found, x, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", [3, 5, 8, 28])
def test_z_reaches_every_pixel_of_the_residual_decoder(size):
    decoder, several_z = make_decoder("resnet", "smoke", (1, size, size))
    z = several_z[:1].expand(size * size, -1).clone().requires_grad_()
    decoder.logits(z).flatten(1).diagonal().sum().backward()
    assert (z.grad != 0).all()


def test_z_becomes_four_maps_by_a_linear_layer_and_elu():
    decoder, z = make_decoder("pixelcnn", "smoke", (1, 3, 4))
    expected = F.elu(F.linear(z, decoder.into_maps.weight(), decoder.into_maps.bias)).view(3, 4, 3, 4)
    torch.testing.assert_close(decoder.maps(z), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", ["pixelcnn", "resnet"])
def test_the_largest_activation_is_of_the_width_at_full_size(kind):
    size = BINARY_SIZES["paper"]
    width = size.pixelcnn_width if kind == "pixelcnn" else size.resnet_widths[-1]
    assert make_decoder(kind, "paper", (1, 7, 5))[0].activations == width * 7 * 5
