"""Masked convolutions against plain convolutions whose masks are written out here."""

import pytest
import torch
import torch.nn.functional as F

from mae_bench.nn.masked_convolution import ConditionalMaskedConv2d, MaskedConv2d, raster_mask


@pytest.mark.parametrize(
    ("kernel", "kind", "expected"),
    [
        (1, "A", [[0]]),
        (1, "B", [[1]]),
        (3, "A", [[1, 1, 1], [1, 0, 0], [0, 0, 0]]),
        (3, "B", [[1, 1, 1], [1, 1, 0], [0, 0, 0]]),
        (5, "A", [[1] * 5, [1] * 5, [1, 1, 0, 0, 0], [0] * 5, [0] * 5]),
        (7, "B", [[1] * 7, [1] * 7, [1] * 7, [1, 1, 1, 1, 0, 0, 0], [0] * 7, [0] * 7, [0] * 7]),
    ],
)
def test_masks(kernel, kind, expected):
    assert raster_mask(kernel, kind).tolist() == expected


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2, 9), (8, 8)])
def test_the_upper_rows_alone_give_the_full_masked_convolution(kernel, size):
    torch.manual_seed(0)
    layer = MaskedConv2d(3, 4, kernel).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    v = layer.direction * raster_mask(kernel, "B").double()
    weight = v / v.flatten(1).norm(dim=1)[:, None, None, None]  # the scale begins at one
    expected = F.conv2d(x, weight, layer.bias, padding=kernel // 2)
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


def test_the_first_layer_masks_the_image_channels_alone():
    torch.manual_seed(0)
    layer = ConditionalMaskedConv2d(channels=2, maps=3, outputs=4, kernel=3).double()
    live = (layer.weight() != 0).all(0)
    assert torch.equal(live[:2], raster_mask(3, "A").bool().expand(2, 3, 3))
    assert live[2:].all()
    torch.testing.assert_close(layer.weight().flatten(1).norm(dim=1), layer.scale)
