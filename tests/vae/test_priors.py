"""The autoregressive-flow prior against its Jacobian, its sampling direction, the unit integral and zuko."""

import pytest
import torch
from torch.autograd.functional import jacobian
from torch.distributions import AffineTransform, Normal
from zuko.distributions import DiagNormal, NormalizingFlow
from zuko.transforms import AutoregressiveTransform, ComposedTransform, PermutationTransform

from mae_bench.vae.priors import AutoregressiveFlowPrior


def make_prior(units, steps, hidden=16, disturbance=0.15):
    torch.manual_seed(0)
    prior = AutoregressiveFlowPrior(units, steps, hidden)
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(disturbance * torch.randn_like(parameter))
    return prior.double()


def standardised(prior, z):
    """u, what the prior itself makes of z [N, units]: the output of its last step."""
    seen = []
    handle = prior.steps[-1].register_forward_hook(lambda module, inputs, output: seen.append(output[0]))
    prior.log_density(z)
    handle.remove()
    return seen[0]


def standard_normal(u):
    return Normal(0.0, 1.0).log_prob(u).sum(-1)


@pytest.mark.parametrize(("units", "steps"), [(1, 2), (2, 1), (5, 4), (8, 8)])
def test_density_is_the_gaussian_of_u_times_the_numerical_jacobian(units, steps):
    prior = make_prior(units, steps)
    z = torch.randn(6, units, dtype=torch.float64)
    determinants = [torch.linalg.slogdet(jacobian(lambda z: standardised(prior, z[None])[0], row))[1] for row in z]
    expected = standard_normal(standardised(prior, z)) + torch.stack(determinants)
    assert prior.log_density(z).shape == (6,)
    torch.testing.assert_close(prior.log_density(z), expected, rtol=1e-10, atol=1e-10)
    assert torch.stack(determinants).abs().min() > 1e-3


@pytest.mark.parametrize(("units", "steps"), [(1, 2), (5, 4), (8, 8)])
def test_sampling_inverts_the_density_direction(units, steps):
    prior = make_prior(units, steps)
    torch.manual_seed(1)
    with torch.no_grad():
        z = prior.sample(50)
    torch.manual_seed(1)
    u = torch.randn(50, units, dtype=torch.float64)
    assert (z - u).abs().max() > 0.1
    torch.testing.assert_close(standardised(prior, z), u, rtol=1e-7, atol=1e-7)


def test_density_of_samples_by_change_of_variables_in_the_sampling_direction(monkeypatch):
    """log p(z) = log N(u) - log |det dz/du|, dz/du by central differences of `sample` itself."""
    prior = make_prior(4, 3)
    torch.manual_seed(1)
    u = torch.randn(4, dtype=torch.float64)
    step = 1e-5
    shifted = torch.cat([u[None], u + step * torch.eye(4).double(), u - step * torch.eye(4).double()])
    monkeypatch.setattr(torch, "randn", lambda *shape, **options: shifted)
    with torch.no_grad():
        z = prior.sample(9)
    dz_du = (z[1:5] - z[5:]) / (2 * step)
    expected = standard_normal(u) - torch.linalg.slogdet(dz_du)[1]
    assert prior.log_density(z[:1]).item() == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_density_integrates_to_one_in_two_dimensions(steps):
    prior = make_prior(2, steps)
    line = torch.linspace(-20, 20, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    with torch.no_grad():
        density = prior.log_density(grid).exp().view(401, 401)
    border = torch.cat([density[0], density[-1], density[:, 0], density[:, -1]])
    assert border.max() < 1e-8  # the grid holds all of it
    assert float(torch.trapezoid(torch.trapezoid(density, line), line)) == pytest.approx(1, abs=1e-4)


def test_the_order_of_the_units_is_reversed_between_steps():
    """One step leaves u_i a function of z_1..z_i; the next, in reversed order, lets every u_i see every z."""
    z = torch.randn(4, 5, dtype=torch.float64)

    def dependence(prior):
        """[5, 5]: |du_i/dz_j| averaged over a few z."""
        return torch.stack([jacobian(lambda z: standardised(prior, z[None])[0], row) for row in z]).abs().mean(0)

    assert torch.equal(dependence(make_prior(5, 1)) != 0, torch.ones(5, 5).tril().bool())
    assert (dependence(make_prior(5, 2)) != 0).all()

    prior = make_prior(5, 3)
    inputs, outputs = [], []
    for step in prior.steps:
        step.register_forward_pre_hook(lambda module, seen: inputs.append(seen[0]))
        step.register_forward_hook(lambda module, seen, made: outputs.append(made[0]))
    prior.log_density(z)
    assert torch.equal(inputs[0], z)
    assert torch.equal(inputs[1], outputs[0][:, [4, 3, 2, 1, 0]])
    assert torch.equal(inputs[2], outputs[1][:, [4, 3, 2, 1, 0]])


def test_zuko_agrees_on_density_and_sampling():
    """The same flow built of zuko's transforms, with our MADEs as its functions m and s."""
    prior = make_prior(6, 4)
    reverse = torch.arange(5, -1, -1)

    def affine(step):
        # u = m + z exp(s / 2), specification "Autoregressive-flow prior"
        return lambda z: AffineTransform(step.shift(z), torch.exp(step.log_scale(z) / 2), event_dim=1)

    transforms = []
    for step in prior.steps:
        transforms += [AutoregressiveTransform(affine(step), passes=6), PermutationTransform(reverse)]
    steps = ComposedTransform(*transforms[:-1])
    flow = NormalizingFlow(steps, DiagNormal(torch.zeros(6).double(), torch.ones(6).double()))
    z = torch.randn(20, 6, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(prior.log_density(z), flow.log_prob(z), rtol=1e-9, atol=1e-9)
        torch.manual_seed(1)
        samples = prior.sample(20)
        torch.manual_seed(1)
        torch.testing.assert_close(samples, steps.inv(torch.randn(20, 6, dtype=torch.float64)), rtol=1e-6, atol=1e-6)
