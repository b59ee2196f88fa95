"""The discrete VAE against enumeration: its Boltzmann machine, the smoothing of its bits, its likelihood."""

import sys
from itertools import product

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from mae_bench.adapter import DataSpec
from mae_bench.planning.registry import load_adapter_class

DiscreteVAE = load_adapter_class("dvae")
module = sys.modules[DiscreteVAE.__module__]


@pytest.fixture
def machine():
    torch.manual_seed(0)
    machine = module.BoltzmannMachine(3)
    with torch.no_grad():
        for weight in machine.parameters():
            weight.copy_(torch.randn(weight.shape))
    return machine


ALL_BITS = torch.tensor(list(product((0.0, 1.0), repeat=6)))


def energies(machine):
    """Minus the energy of each of the 64 states, by loops."""
    first, second, weight = (
        parameter.detach().numpy() for parameter in (machine.first, machine.second, machine.weight)
    )
    return np.array([
        sum(first[i] * z[i] + second[i] * z[3 + i] for i in range(3))
        + sum(z[i] * weight[i, j] * z[3 + j] for i in range(3) for j in range(3))
        for z in ALL_BITS.numpy()
    ])  # fmt: skip


@torch.no_grad()
def test_the_partition_function_and_every_probability_agree_with_enumeration(machine):
    expected = energies(machine)
    assert float(machine.log_partition()) == pytest.approx(np.log(np.exp(expected).sum()), rel=1e-5)
    np.testing.assert_allclose(machine.log_weight(ALL_BITS), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_draws_from_the_machine_have_its_probabilities(machine):
    expected = np.exp(energies(machine))
    torch.manual_seed(1)
    drawn = (machine.sample(100_000) @ 2 ** torch.arange(5, -1, -1.0)).long()
    shares = torch.bincount(drawn, minlength=64).numpy() / 100_000
    np.testing.assert_allclose(shares, expected / expected.sum(), atol=5 * 0.5 / 100_000**0.5)


def test_a_stand_in_has_the_published_density():
    """F(s) = (exp(beta s) - 1) / (exp(beta) - 1), the integral of the density from 0 to s."""
    beta = module.SHARPNESS
    for uniform in (0.1, 0.5, 0.9):
        stand_in = float(module.rise(torch.tensor(uniform, dtype=torch.float64)))
        mass, _ = quad(lambda s: beta * np.exp(beta * s) / np.expm1(beta), 0, stand_in)
        assert mass == pytest.approx(uniform, rel=1e-8)


def test_a_bit_is_one_with_its_probability_and_its_stand_in_is_zero_or_risen():
    torch.manual_seed(0)
    uniform = torch.rand(100_000)
    bit, stand_in = module.smoothed(uniform, torch.full_like(uniform, 0.3))
    assert float(bit.mean()) == pytest.approx(0.3, abs=0.006)
    assert torch.equal(stand_in > 0, bit > 0)
    # The mean of a 1's: integral of s beta exp(beta s) / (exp(beta) - 1).
    beta = module.SHARPNESS
    expected, _ = quad(lambda s: s * beta * np.exp(beta * s) / np.expm1(beta), 0, 1)
    assert float(stand_in[bit > 0].mean()) == pytest.approx(expected, abs=0.005)


@pytest.fixture
def trained():
    """On 3x3 bits, with weights far from their initial ones."""
    torch.manual_seed(0)
    model = DiscreteVAE(DataSpec((1, 3, 3), "bernoulli", 100, 10), "smoke").eval()
    with torch.no_grad():
        for parameter in model.prior.parameters():
            parameter.copy_(torch.randn(parameter.shape))
    return model


@torch.no_grad()
def test_the_probabilities_of_all_images_sum_to_one(trained):
    images = torch.tensor(list(product((0.0, 1.0), repeat=9))).view(-1, 1, 3, 3)
    torch.manual_seed(1)
    terms = trained.importance_terms(images, 4000)
    weights = torch.exp(terms.log_likelihood + terms.log_prior - terms.log_posterior)
    error = float((weights.var(1) / 4000).sum().sqrt())
    assert error < 0.02
    assert float(weights.mean(1).sum()) == pytest.approx(1, abs=4 * error)


@torch.no_grad()
def test_the_kl_of_the_loss_is_the_mean_over_all_bits(trained):
    x = torch.ones(1, 1, 3, 3)
    bits = torch.tensor(list(product((0.0, 1.0), repeat=8)))
    probability = trained.encode(x)
    of_posterior = (bits * probability.log() + (1 - bits) * (1 - probability).log()).sum(1)
    of_prior = trained.prior.log_weight(bits) - trained.prior.log_partition()
    expected = float((of_posterior.exp() * (of_posterior - of_prior)).sum())
    assert float(trained.loss(x).terms["kl"]) == pytest.approx(expected, rel=1e-4)


def test_the_reconstruction_error_has_a_gradient_through_the_bits(trained):
    """Averaged over draws it is that of the expected error, by common random numbers and differences."""
    x = torch.tensor([1.0, 0, 1, 0, 1, 0, 1, 0, 1]).view(1, 1, 3, 3).expand(20_000, -1, -1, -1)
    bias = trained.encoder[2].bias

    def error():
        torch.manual_seed(1)
        return trained.loss(x).terms["reconstruction_error"]

    (gradient,) = torch.autograd.grad(error(), bias)
    with torch.no_grad():
        bias[0] += 0.05
        above = float(error())
        bias[0] -= 0.1
        below = float(error())
    assert float(gradient[0]) == pytest.approx((above - below) / 0.1, rel=0.05, abs=0.01)
