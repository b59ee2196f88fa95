"""The PixelCNN is causal at every pixel, sees what it should, is wired as specified, and samples what it gives."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mae_bench.nn.pixelcnn import PixelCNN
from mae_bench.vae.binary.decoders import PixelCNNDecoder
from mae_bench.vae.binary.networks import BINARY_SIZES


def make_decoder(preset, shape, seed=0, dtype=torch.float64):
    """A PixelCNN decoder with random scales and biases, and five z."""
    torch.manual_seed(seed)
    size = BINARY_SIZES[preset]
    decoder = PixelCNNDecoder(shape, size.units, size.pixelcnn_width, size.pixelcnn_kernels)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return decoder.to(dtype), torch.randn(5, size.units).to(dtype)


def gradients(decoder, z, pixels):
    """d logit / dx and d logit / dz at each of `pixels`: [len(pixels), H x W] and [len(pixels), units]."""
    rows = range(len(pixels))
    x = torch.bernoulli(torch.full(decoder.shape, 0.5)).double().expand(len(pixels), *decoder.shape).clone()
    z = z[:1].expand(len(pixels), -1).clone()
    x.requires_grad_()
    z.requires_grad_()
    # Row i of the batch asks for its own pixel alone, so one pass backwards answers for all of them.
    decoder.logits(x, z).flatten(1)[rows, pixels].sum().backward()
    return x.grad.flatten(1), z.grad


def connections(height, width, kernel, centre):
    """[pixels, pixels]: which pixels a masked convolution of that side sees, decided pixel by pixel."""
    reach = kernel // 2
    seen = np.zeros((height * width, height * width), dtype=bool)
    for row, column in np.ndindex(height, width):
        for other_row, other_column in np.ndindex(height, width):
            here, there = row * width + column, other_row * width + other_column
            near = abs(row - other_row) <= reach and abs(column - other_column) <= reach
            seen[here, there] = near and (there < here or (centre and there == here))
    return seen


@pytest.mark.parametrize(("height", "width"), [(3, 3), (5, 5), (8, 8), (4, 9)])
@pytest.mark.parametrize("preset", ["smoke", "small", "paper"])
def test_every_logit_depends_on_z_and_on_exactly_its_receptive_field(preset, height, width):
    of_x, of_z = gradients(*make_decoder(preset, (1, height, width)), range(height * width))
    assert (of_x.triu() == 0).all()  # causal: neither itself nor a later pixel
    assert (of_z != 0).all()
    kernels = BINARY_SIZES[preset].pixelcnn_kernels
    expected = connections(height, width, kernels[0], centre=False)
    for kernel in kernels:
        expected = connections(height, width, kernel, centre=True) @ expected
    assert np.array_equal((of_x != 0).numpy(), expected)
    before = np.arange(1, height * width)
    before = before[before % width > 0]
    assert (of_x[before, before - 1] != 0).all()  # the pixel to the left


def test_every_pixel_of_a_28_by_28_image_is_causal_and_sees_z():
    of_x, of_z = gradients(*make_decoder("smoke", (1, 28, 28)), range(784))
    assert (of_x.triu() == 0).all()
    assert (of_z != 0).all()


def test_the_paper_preset_at_28_by_28_sees_every_earlier_tap_of_its_first_window():
    pixels = [0, 27, 28, 14 * 28 + 14, 783]
    of_x, of_z = gradients(*make_decoder("paper", (1, 28, 28)), pixels)
    window = connections(28, 28, 7, centre=False)[pixels]
    assert window.sum(1).tolist() == [0, 3, 4, 24, 15]
    assert (of_x.numpy()[window] != 0).all()
    for gradient, pixel in zip(of_x, pixels, strict=True):
        assert (gradient[pixel:] == 0).all()
    assert (of_z != 0).all()


def plain_weight(layer, mask=1.0):
    v = layer.direction.detach() * mask
    return layer.scale.detach()[:, None, None, None] * v / v.flatten(1).norm(dim=1)[:, None, None, None]


def earlier_taps(kernel, centre):
    return torch.tensor(
        [
            [float((row, column) < (kernel // 2, kernel // 2 + centre)) for column in range(kernel)]
            for row in range(kernel)
        ],
        dtype=torch.float64,
    )


def bottleneck(block, x, kernel):
    """1x1, ELU, masked k x k, ELU, 1x1, plus input, ELU: full kernels, none cropped."""
    hidden = F.elu(F.conv2d(x, plain_weight(block.narrow), block.narrow.bias))
    weight = plain_weight(block.masked, earlier_taps(kernel, centre=True))
    hidden = F.elu(F.conv2d(hidden, weight, block.masked.bias, padding=kernel // 2))
    return F.elu(F.conv2d(hidden, plain_weight(block.widen), block.widen.bias) + x)


def test_the_paper_decoder_is_the_specification_written_out():
    """Specification "PixelCNN decoder", block by block, on the module's own weights."""
    decoder, z = make_decoder("paper", (1, 28, 28))
    x, z = torch.bernoulli(torch.full((2, 1, 28, 28), 0.5)).double(), z[:2]
    part = decoder.pixelcnn
    with torch.no_grad():
        v = decoder.into_maps.direction
        weight = decoder.into_maps.scale[:, None] * v / v.norm(dim=1, keepdim=True)
        maps = F.elu(z @ weight.T + decoder.into_maps.bias).view(2, 4, 28, 28)
        mask = torch.ones(64, 5, 7, 7, dtype=torch.float64)
        mask[:, 0] = earlier_taps(7, centre=False)
        o0 = F.elu(F.conv2d(torch.cat([x, maps], 1), plain_weight(part.first, mask), part.first.bias, padding=3))
        o1 = bottleneck(part.blocks[0], o0, 7)
        o2 = bottleneck(part.blocks[1], o1, 7)
        o3 = bottleneck(part.blocks[2], o2 + bottleneck(part.skips[0], o0, 7), 5)
        o4 = bottleneck(part.blocks[3], o3 + bottleneck(part.skips[1], o1, 7), 5)
        o5 = bottleneck(part.blocks[4], o4 + bottleneck(part.skips[2], o2, 5), 3)
        o6 = bottleneck(part.blocks[5], o5 + bottleneck(part.skips[3], o3, 5), 3)
        last = o6 + bottleneck(part.skips[4], o4, 3)
        hidden = F.elu(F.conv2d(last, plain_weight(part.head), part.head.bias))
        expected = F.conv2d(hidden, plain_weight(part.logits), part.logits.bias)
        found = decoder.logits(x, z)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-8)
    assert len(part.blocks) == 6
    assert len(part.skips) == 5


def test_more_channels_are_causal_too():
    torch.manual_seed(0)
    network = PixelCNN(channels=3, maps=2, width=8, kernels=(3, 3)).double()
    images = torch.randn(1, 3, 3, 4, dtype=torch.float64, requires_grad=True)
    logits = network(images, torch.randn(1, 2, 3, 4, dtype=torch.float64))
    assert logits.shape == images.shape
    for pixel in range(12):
        (gradient,) = torch.autograd.grad(logits.flatten(2)[..., pixel].sum(), images, retain_graph=True)
        assert (gradient.flatten(2)[..., pixel:] == 0).all()
        if pixel % 4:
            assert (gradient.flatten(2)[..., pixel - 1] != 0).all()


@torch.no_grad()
def plain_sample(decoder, z):
    """One full pass for each pixel."""
    x = torch.zeros(len(z), *decoder.shape, dtype=z.dtype)
    for row, column in np.ndindex(decoder.shape[1:]):
        x[:, :, row, column] = torch.bernoulli(torch.sigmoid(decoder.logits(x, z)[:, :, row, column]))
    return x


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 3, 3), (1, 8, 8), (2, 4, 9), (3, 9, 4)])
@pytest.mark.parametrize("preset", ["smoke", "small", "paper"])
def test_the_sampled_bits_are_those_of_the_plain_loop(preset, shape, seed):
    """In float64, where no probability is so near its random number that the order of a sum could decide."""
    decoder, z = make_decoder(preset, shape, seed)
    torch.manual_seed(seed)
    expected = plain_sample(decoder, z)
    torch.manual_seed(seed)
    found = decoder.sample(z)
    assert torch.equal(found, expected)
    assert not found.requires_grad
    assert found.is_contiguous()


def test_the_sampled_bits_of_whole_images_in_float32():
    decoder, z = make_decoder("small", (1, 28, 28), dtype=torch.float32)
    torch.manual_seed(3)
    expected = plain_sample(decoder, z)
    torch.manual_seed(3)
    assert torch.equal(decoder.sample(z), expected)
    assert 0.1 < expected.mean() < 0.9


@pytest.mark.parametrize("preset", ["smoke", "paper"])
@torch.no_grad()
def test_generation_draws_from_the_logits_of_a_full_pass(preset):
    decoder, z = make_decoder(preset, (2, 11, 12), dtype=torch.float32)
    x = torch.bernoulli(torch.full((5, 2, 11, 12), 0.5))
    seen, pixels = [], iter(x.flatten(2).unbind(2))

    def draw(logits):
        seen.append(logits.flatten(1))
        return next(pixels).view_as(logits)

    assert torch.equal(decoder.pixelcnn.generate(decoder.maps(z), draw), x)
    found = torch.stack(seen, 2).view_as(x)
    torch.testing.assert_close(found, decoder.logits(x, z), rtol=1e-5, atol=1e-5)
