"""The masked CNN is autoregressive: by gradients of every position with respect to every other."""

import torch
from torch.autograd.functional import jacobian

from mae_bench.nn.masked_cnn import MaskedCNN


def test_it_sees_the_positions_before_and_no_map_of_its_own():
    torch.manual_seed(0)
    network = MaskedCNN(3, 8, 0.1).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    torch.manual_seed(3)
    matrix = jacobian(network, torch.randn(1, 3, 4, 4, dtype=torch.float64))[0, :, :, :, 0]
    seen = matrix.abs().amax((0, 3)).reshape(16, 16) != 0  # over all maps of both
    assert not seen.triu().any()  # neither a later position nor any map of the same one
    row_above = [(position, position - 4) for position in range(4, 16)]
    to_the_left = [(position, position - 1) for position in range(16) if position % 4]
    assert all(seen[pair] for pair in (*row_above, *to_the_left))


def test_only_what_sees_the_input_is_blind_at_its_own_position():
    """A hidden layer that did not see its own position would halve what reaches the output, unnoticed by causality."""
    network = MaskedCNN(2, 4, 0.1)
    centres = [layer.mask[1, 1] for layer in (network.first, network.second, network.third, network.direct)]
    assert centres == [0, 1, 1, 0]
