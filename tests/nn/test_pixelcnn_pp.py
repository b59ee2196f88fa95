"""The PixelCNN++: its receptive field by gradients, every block against plain code, and generation part by part."""

import pytest
import torch
import torch.nn.functional as F

from mae_bench.nn.pixelcnn_pp import GatedBlock, PixelCNNPlusPlus, concat_elu
from mae_bench.nn.shifted_convolution import ShiftedConv2d


def make_network(blocks=3, width=6, maps=3, outputs=5, dropout=0.0):
    """In float64, all scales and biases disturbed so that no gate is closed; in eval mode."""
    torch.manual_seed(0)
    network = PixelCNNPlusPlus(3, maps, width=width, blocks=blocks, outputs=outputs, dropout=dropout)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network.double().eval()


def make_input(height, width, batch=2, maps=3):
    torch.manual_seed(1)
    images = torch.rand(batch, 3, height, width, dtype=torch.float64) * 2 - 1
    return images, torch.randn(batch, maps, height, width, dtype=torch.float64)


@pytest.mark.parametrize(("height", "width"), [(9, 11), (32, 32)])
@pytest.mark.parametrize("blocks", [2, 3, 5])
def test_the_receptive_field_is_seven_by_four(blocks, height, width):
    """Three rows above in seven columns and three pixels to the left: all of them, nothing else, at inner and outer
    pixels.
    """
    network = make_network(blocks)
    images, maps = make_input(height, width, batch=1)
    images.requires_grad_()
    maps.requires_grad_()
    outputs = network(images, maps)
    for row, column in [(0, 0), (0, width - 1), (1, 2), (5, 5), (height - 1, width - 1), (height - 1, 0)]:
        of_image, of_maps = torch.autograd.grad(outputs[0, :, row, column].sum(), (images, maps), retain_graph=True)
        expected = torch.zeros(height, width, dtype=torch.bool)
        left, right = max(0, column - 3), min(width, column + 4)
        expected[max(0, row - 3) : row, left:right] = True
        expected[row, left:column] = True
        for channel in range(3):
            assert torch.equal(of_image[0, channel] != 0, expected), (row, column)
        assert (of_maps[0, :, row, column] != 0).all()
    inner = torch.autograd.grad(outputs[0, :, 5, 5].sum(), images)[0][0, 0]
    assert (inner != 0).sum() == 3 * 7 + 3


def test_concat_elu():
    x = torch.tensor([[[[2.0, -1.0]]]])
    negative = torch.expm1(torch.tensor(-1.0))
    expected = torch.stack([torch.tensor([2.0, negative]), torch.tensor([torch.expm1(torch.tensor(-2.0)), 1.0])])
    torch.testing.assert_close(concat_elu(x)[0, :, 0], expected)


def by_hand(layer, x, left, right, above):
    """A convolution tap by tap, zeros outside."""
    weight, result = layer.weight(), layer.bias[None, :, None, None]
    height, width = x.shape[2:]
    padded = F.pad(x, (left, right, above, 0))
    for i in range(above + 1):
        for j in range(left + right + 1):
            result = result + torch.einsum(
                "oc,nchw->nohw", weight[:, :, i, j], padded[..., i : i + height, j : j + width]
            )
    return result


@pytest.mark.parametrize(("left", "right", "above"), [(0, 0, 0), (1, 1, 1), (1, 0, 0), (2, 0, 3)])
def test_a_shifted_convolution_tap_by_tap(left, right, above):
    torch.manual_seed(0)
    layer = ShiftedConv2d(3, 4, left=left, right=right, above=above).double()
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    torch.testing.assert_close(layer(x), by_hand(layer, x, left, right, above), rtol=1e-10, atol=1e-10)


def test_a_block_and_the_two_streams_written_out():
    """Salimans et al. (2017), on the module's own weights: gates, maps in every block, one stream into the other."""
    network = make_network(blocks=3)
    images, maps = make_input(6, 7)

    def gated(block, x, other, reach):
        hidden = by_hand(block.spatial, concat_elu(x), *reach)
        if other is not None:
            hidden = hidden + by_hand(block.from_other, concat_elu(other), 0, 0, 0)
        both = by_hand(block.gate, concat_elu(hidden), 0, 0, 0) + by_hand(block.from_maps, maps, 0, 0, 0)
        width = x.shape[1]
        return x + both[:, :width] * torch.sigmoid(both[:, width:])

    with torch.no_grad():
        above = by_hand(
            network.first_above, torch.cat([torch.zeros_like(images[:, :, :1]), images[:, :, :-1]], 2), 1, 1, 0
        )
        left = by_hand(network.first_left, torch.cat([torch.zeros_like(images[..., :1]), images[..., :-1]], 3), 0, 0, 0)
        for number in range(3):
            reach = 1 if number < 2 else 0
            above = gated(network.above[number], above, None, (reach, reach, reach))
            left = gated(network.left[number], left, above, (reach, 0, 0))
        expected = by_hand(network.head, F.elu(left), 0, 0, 0)
        torch.testing.assert_close(network(images, maps), expected, rtol=1e-9, atol=1e-9)
    assert expected.std() > 0.1


def test_dropout_is_in_every_gated_block_and_off_in_evaluation():
    network = make_network(dropout=0.5)
    images, maps = make_input(5, 5)
    assert torch.equal(network(images, maps), network(images, maps))
    network.train()
    for block in (*network.above, *network.left):
        assert isinstance(block, GatedBlock)
        x = torch.randn(1, 6, 5, 5, dtype=torch.float64)
        other = x if block.from_other else None
        assert not torch.equal(block(x, maps[:1], other), block(x, maps[:1], other))
        dropped = block.dropout(torch.ones(1, 6, 5, 5)) == 0
        assert dropped.float().mean((2, 3)).min() > 0 and dropped.float().mean((2, 3)).max() < 1, "values, not maps"


def test_gates_begin_at_a_tenth():
    network = PixelCNNPlusPlus(3, 3, width=6, blocks=3, outputs=5, dropout=0.0)
    for block in (*network.above, *network.left):
        assert (block.gate.scale == 0.1).all()


@pytest.mark.parametrize(("height", "width"), [(5, 4), (3, 7)])
def test_generation_part_by_part_draws_what_the_plain_loop_draws(height, width):
    """The same draws from the same outputs as one whole pass for each pixel."""
    network = make_network(blocks=4)
    _, maps = make_input(height, width, batch=3)

    def draw(outputs):
        return torch.tanh(outputs[:, :3] + 0.5 * torch.randn(len(outputs), 3, 1, 1, dtype=torch.float64))

    torch.manual_seed(2)
    found = network.generate(maps, draw)
    torch.manual_seed(2)
    expected = torch.zeros(3, 3, height, width, dtype=torch.float64)
    with torch.no_grad():
        for row in range(height):
            for column in range(width):
                outputs = network(expected, maps)[:, :, row : row + 1, column : column + 1]
                expected[:, :, row, column] = draw(outputs)[..., 0, 0]
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert expected.std() > 0.1


def test_too_few_blocks_for_the_receptive_field_is_a_sentence():
    with pytest.raises(ValueError, match="receptive field of 7x4 needs at least 2 gated blocks, not 1"):
        make_network(blocks=1)
