"""Affine couplings: inverses, log-determinants against autograd, masks."""

import pytest
import torch
from torch.autograd.functional import jacobian

from mae_bench.nn.coupling import MultiScaleFlow, checkerboard, half_of_channels

SHAPES = [(1, 4, 4), (2, 2, 4), (1, 3, 3), (3, 1, 1)]


def make(shape):
    torch.manual_seed(0)
    flow = MultiScaleFlow(shape, 4, 1, scales=2).double()
    for parameter in flow.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    return flow


@pytest.mark.parametrize("shape", SHAPES)
def test_the_inverse_leads_back(shape):
    flow, x = make(shape), torch.randn(3, *shape, dtype=torch.double)
    z, _ = flow(x)
    assert z.shape == (3, x[0].numel())
    assert not torch.allclose(z.sort().values, x.flatten(1).sort().values)
    torch.testing.assert_close(flow.inverse(z, shape), x)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_log_determinant_is_that_of_the_jacobian(shape):
    flow, x = make(shape), torch.randn(1, *shape, dtype=torch.double)
    matrix = jacobian(lambda v: flow(v)[0], x).view(x.numel(), x.numel())
    torch.testing.assert_close(flow(x)[1][0], torch.linalg.slogdet(matrix).logabsdet)


def test_every_latent_sees_other_pixels_and_every_pixel_is_changed():
    flow, x = make((1, 4, 4)), torch.randn(1, 1, 4, 4, dtype=torch.double)
    matrix = jacobian(lambda v: flow(v)[0], x).view(16, 16)
    assert (matrix != 0).sum(1).min() > 4


def test_masks():
    assert checkerboard((2, 3), odd=False).tolist() == [[[1, 0, 1], [0, 1, 0]]]
    assert checkerboard((2, 3), odd=True).tolist() == [[[0, 1, 0], [1, 0, 1]]]
    assert half_of_channels(4, last=False).flatten().tolist() == [1, 1, 0, 0]
    assert half_of_channels(4, last=True).flatten().tolist() == [0, 0, 1, 1]
