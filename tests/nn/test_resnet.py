"""Residual blocks against the specification written out with PyTorch's own layers."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from mae_bench.nn.resnet import DownwardBlock, ResidualBlock, UpwardBlock, halved


def torch_layer(ours, plain):
    """PyTorch's layer with PyTorch's weight normalisation and our layer's direction, scale and bias."""
    transposed = isinstance(plain, nn.ConvTranspose2d)
    layer = weight_norm(plain.double(), dim=1 if transposed else 0)
    with torch.no_grad():
        layer.parametrizations.weight.original1.copy_(ours.direction)
        layer.parametrizations.weight.original0.copy_(ours.scale.view_as(layer.parametrizations.weight.original0))
        layer.bias.copy_(ours.bias)
    return layer


def randomised(block):
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return block.double()


def test_sides_halve_rounded_up():
    sizes = [(28, 28)]
    for _ in range(3):
        sizes.append(halved(sizes[-1]))
    assert sizes == [(28, 28), (14, 14), (7, 7), (4, 4)]
    assert halved((3, 5)) == (2, 3)
    assert halved((1, 8)) == (1, 4)


@pytest.mark.parametrize("size", [(28, 28), (7, 7), (3, 3), (1, 1), (5, 8)])
def test_downward_block(size):
    block = randomised(DownwardBlock(3, 4))
    first = torch_layer(block.first, nn.Conv2d(3, 4, 3, stride=2, padding=1))
    second = torch_layer(block.second, nn.Conv2d(4, 4, 3, padding=1))
    projection = torch_layer(block.projection, nn.Conv2d(3, 4, 1, stride=2))
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    expected = F.elu(second(F.elu(first(x))) + projection(x))
    found = block(x)
    assert found.shape == (2, 4, *halved(size))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", [(28, 28), (14, 14), (7, 7), (3, 3), (1, 1), (5, 8)])
def test_upward_block(size):
    block = randomised(UpwardBlock(3, 4, size))
    x = torch.randn(2, 3, *halved(size), dtype=torch.float64)
    first = torch_layer(block.first, nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1))
    second = torch_layer(block.second, nn.ConvTranspose2d(4, 4, 3, padding=1))
    projection = torch_layer(block.projection, nn.ConvTranspose2d(3, 4, 1, stride=2))
    # Told the size, PyTorch settles the open side by itself.
    expected = second(F.elu(first(F.elu(x), output_size=size))) + projection(x, output_size=size)
    found = block(x)
    assert found.shape == (2, 4, *size)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_residual_block():
    block = randomised(ResidualBlock(3))
    first, second = (torch_layer(ours, nn.Conv2d(3, 3, 3, padding=1)) for ours in (block.first, block.second))
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(block(x), x + second(F.elu(first(F.elu(x)))), rtol=1e-10, atol=1e-10)
