"""PixelCNN, its relatives and PixelSNAIL: what each output sees, by gradients at every pixel and channel."""

from functools import cache
from itertools import product

import pytest
import torch

from mae_bench.nn.causal import channel_mask
from mae_bench.nn.causal_networks import GatedPixelCNN, ResidualPixelCNN
from mae_bench.nn.pixelcnn_unet import PixelCNNUNet
from mae_bench.nn.pixelsnail import PixelSNAIL
from mae_bench.nn.row_lstm import PixelRNN

IN_TURN = {
    "plain": lambda: ResidualPixelCNN(3, 18, 2, 3),
    "gated": lambda: GatedPixelCNN(3, 18, 2, 3),
    "rnn": lambda: PixelRNN(3, 18, 2, 3),
}
AT_ONCE = {
    "unet": lambda: PixelCNNUNet(1, width=4, blocks=1, outputs=1, dropout=0.0),
    "snail": lambda: PixelSNAIL(1, width=4, stages=1, blocks=1, outputs=1, dropout=0.0),
}
NETWORKS = IN_TURN | AT_ONCE


def sees(network, shape, draws=3):
    """[outputs, H, W, C, H, W]: whether an output has a gradient from a value, for any of a few images."""
    seen = 0
    for _ in range(draws):
        x = torch.rand(1, *shape, dtype=torch.double)
        seen = seen + torch.autograd.functional.jacobian(network, x)[0, :, :, :, 0].abs()
    return (seen > 0).numpy()


@cache
def seen_by(name):
    torch.manual_seed(0)
    return sees(NETWORKS[name]().double(), (3, 3, 3) if name in IN_TURN else (1, 5, 4))


@pytest.mark.parametrize("name", NETWORKS)
def test_no_output_sees_its_own_value_or_later_ones(name):
    seen = seen_by(name)
    for output, row, column, channel, r, c in product(*map(range, seen.shape)):
        earlier_channel = name in IN_TURN and (r, c) == (row, column) and channel < output
        if (r, c) >= (row, column) and not earlier_channel:
            assert not seen[output, row, column, channel, r, c]


@pytest.mark.parametrize("name", IN_TURN)
def test_a_channel_sees_those_before_it_at_its_pixel(name):
    seen = seen_by(name)
    for output, channel in product(range(3), range(3)):
        assert seen[output, 1, 1, channel, 1, 1] == (channel < output)


@pytest.mark.parametrize("name", ["gated", "rnn", "unet", "snail"])
def test_without_a_blind_spot_everything_before_is_seen(name):
    seen = seen_by(name)
    _, height, width, _, _, _ = seen.shape
    for row, column, r, c in product(range(height), range(width), range(height), range(width)):
        if (r, c) < (row, column):
            assert seen[:, row, column, :, r, c].all(), (row, column, r, c)


@pytest.mark.parametrize(("network", "all_seen"), [(ResidualPixelCNN, False), (GatedPixelCNN, True)])
def test_stacked_windows_leave_a_blind_spot(network, all_seen):
    """The row above, far to the right: beyond the first window, each further one moves up as it moves right."""
    torch.manual_seed(0)
    network = network(1, 4, 4, 1).double()
    x = torch.rand(1, 1, 3, 9, dtype=torch.double, requires_grad=True)
    network(x)[0, 0, 2, 0].backward()
    assert (x.grad[0, 0, 1, 4:7] != 0).all() == all_seen
    assert (x.grad[0, 0, 1, :4] != 0).all()


def test_the_channel_mask():
    assert channel_mask(4, 3, 3, "A").tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert channel_mask(3, 3, 3, "B").tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 1]]
    for network in (GatedPixelCNN, PixelRNN):
        with pytest.raises(ValueError, match="width must be a multiple of the 3 channels"):
            network(3, 8, 1, 3)


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (5, 4)])
@pytest.mark.parametrize("name", AT_ONCE)
def test_images_of_any_size(name, size):
    network = AT_ONCE[name]()
    assert network(torch.rand(2, 1, *size)).shape == (2, 1, *size)
