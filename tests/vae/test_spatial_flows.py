"""The prior over maps against autograd's Jacobian, its sampling direction, its masks and its reversed orders."""

import pytest
import torch
from torch.autograd.functional import jacobian
from torch.distributions import Normal

from mae_bench.vae.spatial_flows import MaskedCNN, SpatialFlowPrior


def make_prior(shape=(2, 3, 4), steps=3, width=6, disturbance=0.15):
    torch.manual_seed(0)
    prior = SpatialFlowPrior(shape, steps, width)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(disturbance * torch.randn_like(parameter))
    return prior.double()


def standardised(prior, z):
    """u, what the prior makes of z [N, units]: the output of its last step, flat."""
    seen = []
    handle = prior.steps[-1].register_forward_hook(lambda module, inputs, output: seen.append(output[0]))
    prior.log_density(z)
    handle.remove()
    return seen[0].flatten(1)


@pytest.mark.parametrize(("shape", "steps"), [((2, 3, 4), 1), ((2, 3, 4), 3), ((1, 1, 1), 2), ((3, 4, 4), 8)])
def test_density_is_the_gaussian_of_u_times_autograds_jacobian(shape, steps):
    prior = make_prior(shape, steps)
    units = shape[0] * shape[1] * shape[2]
    z = torch.randn(3, units, dtype=torch.float64)
    determinants = [torch.linalg.slogdet(jacobian(lambda z: standardised(prior, z[None])[0], row))[1] for row in z]
    expected = Normal(0.0, 1.0).log_prob(standardised(prior, z)).sum(1) + torch.stack(determinants)
    torch.testing.assert_close(prior.log_density(z), expected, rtol=1e-9, atol=1e-9)
    assert torch.stack(determinants).abs().min() > 1e-3


@pytest.mark.parametrize(("shape", "steps"), [((2, 3, 4), 1), ((2, 3, 4), 2), ((4, 8, 8), 8), ((1, 1, 5), 3)])
def test_sampling_inverts_the_density_direction(shape, steps):
    prior = make_prior(shape, steps)
    torch.manual_seed(1)
    z = prior.sample(5)
    torch.manual_seed(1)
    u = torch.randn(5, *shape, dtype=torch.float64).flatten(1)
    assert z.shape == u.shape
    assert not z.requires_grad
    assert (z - u).abs().max() > 0.1
    torch.testing.assert_close(standardised(prior, z), u, rtol=1e-7, atol=1e-7)


def dependence(function, shape):
    """[positions, positions]: which position of the output depends on which of the input, over all maps of both."""
    positions = shape[1] * shape[2]
    torch.manual_seed(3)
    matrix = jacobian(function, torch.randn(1, *shape, dtype=torch.float64))[0, :, :, :, 0]
    return matrix.abs().amax((0, 3)).reshape(positions, positions)


def test_a_masked_cnn_sees_the_positions_before_and_no_map_of_its_own():
    torch.manual_seed(0)
    network = MaskedCNN(3, 8).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    seen = dependence(network, (3, 4, 4)) != 0
    assert not seen.triu().any()  # neither a later position nor any map of the same one
    row_above = [(position, position - 4) for position in range(4, 16)]
    to_the_left = [(position, position - 1) for position in range(16) if position % 4]
    assert all(seen[pair] for pair in (*row_above, *to_the_left))


def test_every_other_step_runs_in_reversed_raster_order():
    """One step leaves u_i a function of z_1 ... z_i; the next, reversed, of the later ones as well."""
    shape = (2, 3, 3)

    def positions_seen(prior):
        return dependence(lambda z: standardised(prior, z.flatten(1)).view(1, *shape), shape) != 0

    one, two = positions_seen(make_prior(shape, 1)), positions_seen(make_prior(shape, 2).double())
    assert not one.triu(1).any()
    assert one.tril().any()
    # The second step turns the positions round: its output i stands at position 8 - i of the first.
    assert two.flip(0).triu(1).any()
    assert two.flip(0).tril(-1).any()
    inputs, outputs, prior = [], [], make_prior(shape, 4)
    for step in prior.steps:
        step.register_forward_pre_hook(lambda module, seen: inputs.append(seen[0]))
        step.register_forward_hook(lambda module, seen, made: outputs.append(made[0]))
    prior.log_density(torch.randn(2, 18, dtype=torch.float64))
    for before, after in zip(outputs, inputs[1:], strict=False):
        assert torch.equal(after.flatten(2), before.flatten(2)[:, :, list(range(8, -1, -1))])


def test_all_weights_get_gradients():
    prior = make_prior((2, 4, 4), 2)
    prior.log_density(torch.randn(8, 32, dtype=torch.float64)).sum().backward()
    for name, parameter in prior.named_parameters():
        assert (parameter.grad != 0).any(), name
