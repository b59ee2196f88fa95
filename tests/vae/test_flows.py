"""The priors by flows against their Jacobian, their sampling direction, the unit integral, their orders and zuko."""

import pytest
import torch
from torch.autograd.functional import jacobian
from torch.distributions import AffineTransform, Normal
from zuko.distributions import DiagNormal, NormalizingFlow
from zuko.transforms import AutoregressiveTransform, ComposedTransform, PermutationTransform

from mae_bench.vae.flows import MapFlowPrior, UnitFlowPrior


def make_prior(shape, steps, disturbance=0.15):
    """A prior over (units,) or (maps, height, width), in float64."""
    torch.manual_seed(0)
    prior = UnitFlowPrior(*shape, steps, hidden=16) if len(shape) == 1 else MapFlowPrior(shape, steps, width=6)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(disturbance * torch.randn_like(parameter))
    return prior.double()


def make_z(count, shape):
    return torch.randn(count, *shape, dtype=torch.float64).flatten(1)


def standardised(prior, z):
    """u, what the prior itself makes of z [N, units]: the output of its last step, flat."""
    seen = []
    handle = prior.steps[-1].register_forward_hook(lambda module, inputs, output: seen.append(output[0]))
    prior.log_density(z)
    handle.remove()
    return seen[0].flatten(1)


def jacobian_at(prior, row):
    """[units, units]: du_i/dz_j at one z."""
    return jacobian(lambda z: standardised(prior, z[None])[0], row)


def standard_normal(u):
    return Normal(0.0, 1.0).log_prob(u).sum(-1)


UNITS = [((1,), 2), ((2,), 1), ((5,), 4), ((8,), 8)]
MAPS = [((1, 1, 1), 2), ((2, 3, 4), 1), ((2, 3, 4), 3), ((3, 4, 4), 8)]


@pytest.mark.parametrize(("shape", "steps"), UNITS + MAPS)
def test_density_is_the_gaussian_of_u_times_autograds_jacobian(shape, steps):
    prior = make_prior(shape, steps)
    z = make_z(6 if len(shape) == 1 else 3, shape)
    determinants = torch.stack([torch.linalg.slogdet(jacobian_at(prior, row))[1] for row in z])
    expected = standard_normal(standardised(prior, z)) + determinants
    assert prior.log_density(z).shape == (len(z),)
    torch.testing.assert_close(prior.log_density(z), expected, rtol=1e-10, atol=1e-10)
    assert determinants.abs().min() > 1e-3


@pytest.mark.parametrize(("shape", "steps"), [*UNITS, ((2, 3, 4), 1), ((2, 3, 4), 2), ((1, 1, 5), 3), ((4, 8, 8), 8)])
def test_sampling_inverts_the_density_direction(shape, steps):
    prior, count = make_prior(shape, steps), 50 if len(shape) == 1 else 5
    torch.manual_seed(1)
    z = prior.sample(count)
    torch.manual_seed(1)
    u = make_z(count, shape)
    assert z.shape == u.shape
    assert not z.requires_grad
    assert (z - u).abs().max() > 0.1
    torch.testing.assert_close(standardised(prior, z), u, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("shape", [(4,), (1, 2, 2)])
def test_density_of_samples_by_change_of_variables_in_the_sampling_direction(monkeypatch, shape):
    """log p(z) = log N(u) - log |det dz/du|, dz/du by central differences of `sample` itself."""
    prior = make_prior(shape, 3)
    torch.manual_seed(1)
    u = torch.randn(4, dtype=torch.float64)
    step = 1e-5
    shifted = torch.cat([u[None], u + step * torch.eye(4).double(), u - step * torch.eye(4).double()])
    monkeypatch.setattr(torch, "randn", lambda *shape, **options: shifted.view(shape))
    z = prior.sample(9)
    dz_du = (z[1:5] - z[5:]) / (2 * step)
    expected = standard_normal(u) - torch.linalg.slogdet(dz_du)[1]
    assert prior.log_density(z[:1]).item() == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_density_integrates_to_one_in_two_dimensions(steps):
    prior = make_prior((2,), steps)
    line = torch.linspace(-20, 20, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        density = prior.log_density(grid).exp().view(401, 401)
    border = torch.cat([density[0], density[-1], density[:, 0], density[:, -1]])
    assert border.max() < 1e-8  # the grid holds all of it
    assert float(torch.trapezoid(torch.trapezoid(density, line), line)) == pytest.approx(1, abs=1e-4)


def dependence(prior, maps, positions):
    """[positions, positions]: the largest |du_i/dz_j| over a few z and over the maps of both positions."""
    torch.manual_seed(3)
    found = torch.stack([jacobian_at(prior, row) for row in make_z(4, (maps, positions))])
    return found.view(4, maps, positions, maps, positions).abs().amax((0, 1, 3))


def test_a_second_step_in_reversed_order_lets_every_unit_see_every_other():
    """One step leaves u_i a function of z_1..z_i."""
    assert torch.equal(dependence(make_prior((5,), 1), 1, 5) != 0, torch.ones(5, 5).tril().bool())
    assert (dependence(make_prior((5,), 2), 1, 5) != 0).all()


def test_a_second_step_in_reversed_raster_order_lets_a_position_see_later_ones():
    one, two = (dependence(make_prior((2, 3, 3), steps), 2, 9) != 0 for steps in (1, 2))
    assert not one.triu(1).any()
    assert one.tril().any()
    # The second step turns the positions round: its output i stands at position 8 - i of the first.
    assert two.flip(0).triu(1).any()
    assert two.flip(0).tril(-1).any()


@pytest.mark.parametrize(("shape", "maps"), [((5,), 1), ((2, 3, 3), 2)])
def test_the_order_is_reversed_between_steps(shape, maps):
    inputs, outputs, prior = [], [], make_prior(shape, 4)
    for step in prior.steps:
        step.register_forward_pre_hook(lambda module, seen: inputs.append(seen[0].reshape(2, maps, -1)))
        step.register_forward_hook(lambda module, seen, made: outputs.append(made[0].reshape(2, maps, -1)))
    z = make_z(2, shape)
    prior.log_density(z)
    assert torch.equal(inputs[0].flatten(1), z)
    for before, after in zip(outputs[:-1], inputs[1:], strict=True):
        assert torch.equal(after, before[:, :, list(reversed(range(before.shape[2])))])


@pytest.mark.parametrize("shape", [(8,), (2, 4, 4)])
def test_all_weights_get_gradients(shape):
    prior = make_prior(shape, 2)
    prior.log_density(make_z(8, shape)).sum().backward()
    for name, parameter in prior.named_parameters():
        assert (parameter.grad != 0).any(), name


def test_zuko_agrees_on_density_and_sampling():
    """The same flow built of zuko's transforms, with our MADEs as its functions m and s."""
    prior = make_prior((6,), 4)
    reverse = torch.arange(5, -1, -1)

    def affine(step):
        # u = m + z exp(s / 2), specification "Autoregressive-flow prior"
        return lambda z: AffineTransform(step.shift(z), torch.exp(step.log_scale(z) / 2), event_dim=1)

    transforms = []
    for step in prior.steps:
        transforms += [AutoregressiveTransform(affine(step), passes=6), PermutationTransform(reverse)]
    steps = ComposedTransform(*transforms[:-1])
    flow = NormalizingFlow(steps, DiagNormal(torch.zeros(6).double(), torch.ones(6).double()))
    z = make_z(20, (6,))
    with torch.no_grad():
        torch.testing.assert_close(prior.log_density(z), flow.log_prob(z), rtol=1e-9, atol=1e-9)
        torch.manual_seed(1)
        samples = prior.sample(20)
        torch.manual_seed(1)
        torch.testing.assert_close(samples, steps.inv(torch.randn(20, 6, dtype=torch.float64)), rtol=1e-6, atol=1e-6)
