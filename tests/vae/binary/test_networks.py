"""The networks for binary images have the weights, shapes and cost that the specification gives."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from mae_bench.adapter import DataSpec
from mae_bench.nn.weight_norm import WeightNormalised
from mae_bench.vae.binary.encoder import GaussianPosterior
from mae_bench.vae.binary.networks import binary_autoregressive_networks, binary_factorised_networks

MNIST = DataSpec((1, 28, 28), "bernoulli", 58_000, 10)


def count(module):
    """(entries of all v, output units): a layer has v, and a scale and a bias for each output unit."""
    weights = sum(layer.direction.numel() for layer in module.modules() if isinstance(layer, WeightNormalised))
    units = sum(layer.bias.numel() for layer in module.modules() if isinstance(layer, WeightNormalised))
    assert sum(parameter.numel() for parameter in module.parameters()) == weights + 2 * units
    return weights, units


def downward(inputs, outputs):
    """3x3, 3x3 and a 1x1 projection."""
    return 9 * inputs * outputs + 9 * outputs * outputs + inputs * outputs


def bottleneck(kernel):
    """1x1 64->32, masked k x k 32->32 (full kernel), 1x1 32->64."""
    return 64 * 32 + kernel**2 * 32 * 32 + 32 * 64


PIXELCNN = (
    5 * 64 * 7**2  # one image channel and four maps
    + sum(bottleneck(kernel) for kernel in (7, 7, 5, 5, 3, 3))
    + sum(bottleneck(kernel) for kernel in (7, 7, 5, 5, 3))
    + 64 * 64
    + 64
)


def test_weight_counts_of_the_paper_preset():
    networks = binary_autoregressive_networks(MNIST, "paper")
    encoder = downward(1, 32) + downward(32, 64) + downward(64, 64) + 4 * 4 * 64 * 512
    assert count(networks.encoder) == (encoder, 3 * 32 + 3 * 64 + 3 * 64 + 512)
    assert count(networks.posterior) == (512 * 64, 64)
    assert count(networks.prior) == (8 * 2 * (32 * 320 + 320 * 32 + 32 * 32), 8 * 2 * (320 + 32 + 32))
    maps = 4 * 28 * 28
    weights, units = count(networks.decoder)
    assert (weights, units) == (32 * maps + PIXELCNN, maps + 64 + 11 * (32 + 32 + 64) + 64 + 1)
    assert weights == pytest.approx(0.5e6, rel=0.02)

    decoder = binary_factorised_networks(MNIST, "paper").decoder
    blocks = [downward(inputs, outputs) for inputs, outputs in [(64, 64), (64, 32), (32, 1)]]
    assert count(decoder) == (4 * 4 * 32 * 64 + sum(blocks), 64 + 3 * (64 + 32 + 1))


def test_kernels_of_the_paper_preset():
    pixelcnn = binary_autoregressive_networks(MNIST, "paper").decoder.pixelcnn
    assert pixelcnn.first.direction.shape == (64, 5, 7, 7)
    assert [block.masked.direction.shape[-1] for block in pixelcnn.blocks] == [7, 7, 5, 5, 3, 3]
    assert [block.masked.direction.shape[-1] for block in pixelcnn.skips] == [7, 7, 5, 5, 3]


def test_a_forward_pass_of_the_paper_pixelcnn_is_0_62_gflop():
    decoder = binary_autoregressive_networks(MNIST, "paper").decoder
    full = 2 * (784 * PIXELCNN + 32 * 4 * 784)
    assert full == pytest.approx(0.62e9, rel=0.02)

    def counted():
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            decoder.logits(torch.zeros(1, 1, 28, 28), torch.zeros(1, 32))
        return counter.get_total_flops()

    # What is run is less: a mask-B convolution leaves its dead lower rows out.
    masked = 784 * 2 * 32 * 32
    spared = masked * sum(kernel * (kernel // 2) for kernel in (7, 7, 5, 5, 3, 3, 7, 7, 5, 5, 3))
    assert counted() == full - spared


def test_the_encoder_is_the_specification_written_out():
    """28 -> 14 -> 7 -> 4 -> 512 features, on the module's own weights."""
    torch.manual_seed(0)
    encoder = binary_autoregressive_networks(MNIST, "paper").encoder.double()
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        images = x = torch.bernoulli(torch.full((2, 1, 28, 28), 0.5)).double()
        for block, width, side in zip(encoder.stages, (32, 64, 64), (14, 7, 4), strict=True):
            hidden = F.elu(F.conv2d(x, block.first.weight(), block.first.bias, stride=2, padding=1))
            hidden = F.conv2d(hidden, block.second.weight(), block.second.bias, padding=1)
            # A 1x1 convolution of stride 2 sees every other row and column.
            projected = F.conv2d(x[:, :, ::2, ::2], block.projection.weight(), block.projection.bias)
            x = F.elu(hidden + projected)
            assert x.shape == (2, width, side, side)
        expected = F.elu(torch.einsum("nchw,fchw->nf", x, encoder.last.weight()) + encoder.last.bias)
        torch.testing.assert_close(encoder(images), expected, rtol=1e-10, atol=1e-10)
    assert expected.shape == (2, 512)


def test_the_posterior_is_the_mean_and_then_the_log_variance():
    posterior = GaussianPosterior(3, 2)
    features = torch.randn(4, 3)
    both = F.linear(features, posterior.parameters_of.weight(), posterior.parameters_of.bias)
    torch.testing.assert_close(posterior(features).mean, both[:, :2])
    torch.testing.assert_close(posterior(features).log_variance, both[:, 2:])


@pytest.mark.parametrize("size", [(28, 8), (8, 28)])
@pytest.mark.parametrize("networks", [binary_autoregressive_networks, binary_factorised_networks])
def test_images_must_be_square(networks, size):
    with pytest.raises(ValueError, match="must be square to be encoded, not {} x {}".format(*size)):
        networks(DataSpec((1, *size), "bernoulli", 100, 2), "small")
