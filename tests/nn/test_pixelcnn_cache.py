"""Pixel by pixel with cached activations against full passes over the image: logits, and sampled bits."""

import pytest
import torch

from mae_bench.nn.pixelcnn_cache import PixelCNNCache
from mae_bench.vae.decoders import PixelCNNDecoder
from mae_bench.vae.networks import BINARY_SIZES


def make_decoder(preset, shape, seed=0):
    torch.manual_seed(seed)
    size = BINARY_SIZES[preset]
    decoder = PixelCNNDecoder(shape, size.units, size.pixelcnn_width, size.pixelcnn_kernels)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return decoder, torch.randn(5, size.units)


@torch.no_grad()
def plain_sample(decoder, z):
    """One full pass for each pixel."""
    x = torch.zeros(len(z), *decoder.shape, dtype=z.dtype)
    for row in range(decoder.shape[1]):
        for column in range(decoder.shape[2]):
            probability = torch.sigmoid(decoder.logits(x, z)[:, :, row, column])
            x[:, :, row, column] = torch.bernoulli(probability)
    return x


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 3), (1, 8, 8), (2, 4, 9), (3, 9, 4)])
@pytest.mark.parametrize("preset", ["smoke", "small", "paper"])
def test_the_bits_are_those_of_the_plain_loop(preset, shape, seed):
    """In float64, where no probability is so near its random number that the order of a sum could decide."""
    decoder, z = make_decoder(preset, shape, seed)
    decoder, z = decoder.double(), z.double()
    torch.manual_seed(seed)
    expected = plain_sample(decoder, z)
    torch.manual_seed(seed)
    found = decoder.sample(z)
    assert torch.equal(found, expected)
    assert not found.requires_grad
    assert found.is_contiguous()


def test_the_bits_of_whole_images_in_float32():
    decoder, z = make_decoder("small", (1, 28, 28))
    torch.manual_seed(3)
    expected = plain_sample(decoder, z)
    torch.manual_seed(3)
    assert torch.equal(decoder.sample(z), expected)
    assert 0.1 < expected.mean() < 0.9


@pytest.mark.parametrize("preset", ["smoke", "paper"])
@torch.no_grad()
def test_the_logits_of_each_pixel_are_those_of_a_full_pass(preset):
    decoder, z = make_decoder(preset, (2, 11, 12))
    x = torch.bernoulli(torch.full((5, 2, 11, 12), 0.5))
    expected = decoder.logits(x, z)
    cache = PixelCNNCache(decoder.pixelcnn, decoder.maps(z))
    for row in range(11):
        for column in range(12):
            torch.testing.assert_close(cache.logits(row, column), expected[..., row, column], rtol=1e-5, atol=1e-5)
            cache.set_pixel(row, column, x[:, :, row, column])
    assert torch.equal(cache.images(), x)
