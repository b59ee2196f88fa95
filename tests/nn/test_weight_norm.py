"""Weight-normalised layers against a plain computation, and their initialisation on constant and varied inputs."""

import pytest
import torch
import torch.nn.functional as F

from mae_bench.nn.weight_norm import (
    Conv2d,
    ConvTranspose2d,
    Linear,
    data_dependent_initialisation,
    folded_weights,
)


def randomised(layer):
    """The layer with random scale and bias, in float64."""
    torch.manual_seed(0)
    with torch.no_grad():
        layer.scale.normal_()
        layer.bias.normal_()
    return layer.double()


def plain_weight(layer, output_dim=0):
    """g v / ||v|| of the masked v, one output unit at a time."""
    v = layer.direction.detach() * (1 if layer.mask is None else layer.mask)
    units = [g * u / u.square().sum().sqrt() for g, u in zip(layer.scale.detach(), v.unbind(output_dim), strict=True)]
    return torch.stack(units, output_dim)


def test_linear_layer_with_a_mask():
    mask = torch.tensor([[1.0, 0, 1, 1, 0], [0, 0, 0, 0, 1], [1, 1, 1, 1, 1]])
    layer = randomised(Linear(5, 3, mask))
    weight = plain_weight(layer)
    assert (weight[mask == 0] == 0).all()
    x = torch.randn(4, 5, dtype=torch.float64)
    torch.testing.assert_close(layer(x), x @ weight.T + layer.bias, rtol=1e-12, atol=1e-12)
    # The norm is that of the live weights: whatever stands under the mask changes nothing.
    before = layer(x).detach()
    with torch.no_grad():
        layer.direction[mask == 0] = 100.0
    torch.testing.assert_close(layer(x), before, rtol=1e-12, atol=1e-12)


def test_convolution():
    layer = randomised(Conv2d(2, 3, 3, stride=2, padding=1))
    x = torch.randn(4, 2, 7, 6, dtype=torch.float64)
    expected = F.conv2d(x, plain_weight(layer), layer.bias, stride=2, padding=1)
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


def test_transposed_convolution_has_one_norm_for_each_of_its_output_channels():
    layer = randomised(ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=(1, 0)))
    x = torch.randn(4, 2, 4, 5, dtype=torch.float64)
    weight = plain_weight(layer, output_dim=1)
    expected = F.conv_transpose2d(x, weight, layer.bias, stride=2, padding=1, output_padding=(1, 0))
    assert expected.shape == (4, 3, 8, 9)
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_fully_masked_unit_has_the_weight_zero_and_finite_gradients(dtype):
    torch.manual_seed(0)
    layer = Linear(4, 3, torch.tensor([[1.0, 1, 1, 1], [0, 0, 0, 0], [1, 0, 0, 1]])).to(dtype)
    x = torch.randn(5, 4, dtype=dtype, requires_grad=True)
    y = layer(x)
    assert (layer.weight()[1] == 0).all()
    assert (y[:, 1] == layer.bias[1]).all()
    y.square().sum().backward()
    for gradient in (x.grad, layer.direction.grad, layer.scale.grad, layer.bias.grad):
        assert gradient.isfinite().all()
    assert (layer.direction.grad[1] == 0).all()
    assert layer.scale.grad[1] == 0
    assert (layer.direction.grad[0] != 0).all()


@pytest.mark.parametrize("initial_scale", [1.0, 0.1])
def test_initialisation_gives_every_unit_mean_zero_and_its_standard_deviation(initial_scale):
    torch.manual_seed(0)
    mask = torch.ones(6, 10)
    mask[2] = 0
    layer = Linear(10, 6, mask, initial_scale)
    x = 5 + 3 * torch.randn(200, 10)
    x[:, 0] = 2.0
    mask[4], mask[4, 0] = 0, 1  # unit 4 sees only the constant input
    with data_dependent_initialisation(layer):
        during = layer(x)
    y = layer(x)
    torch.testing.assert_close(during, y)  # what the next layer is initialised on
    varied = [0, 1, 3, 5]
    torch.testing.assert_close(y.mean(0), torch.zeros(6), rtol=0, atol=1e-5)
    torch.testing.assert_close(y.std(0, correction=0)[varied], torch.full((4,), initial_scale), rtol=1e-4, atol=0)
    assert y[:, [2, 4]].abs().max() < 1e-5
    assert layer.scale.isfinite().all()


def test_initialisation_ends_with_its_context_even_by_an_exception():
    torch.manual_seed(0)
    layer = Linear(3, 2)
    with pytest.raises(RuntimeError), data_dependent_initialisation(layer):
        layer(torch.randn(8, 4))
    layer.scale.data.fill_(7.0)
    layer(torch.randn(8, 3))
    assert (layer.scale == 7.0).all()


def test_folded_weights_are_normalised_once_for_many_passes(monkeypatch):
    torch.manual_seed(0)
    layer = Linear(3, 2)
    x = torch.randn(6, 3)
    expected = torch.autograd.grad(layer(x).square().sum(), list(layer.parameters()))
    calls = []
    plain = Linear.weight
    monkeypatch.setattr(Linear, "weight", lambda self: calls.append(1) or plain(self))
    with folded_weights(layer):
        parts = torch.cat([layer(part) for part in x.split(2)])
    assert len(calls) == 1
    found = torch.autograd.grad(parts.square().sum(), list(layer.parameters()))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_folding_ends_with_its_context_even_by_an_exception():
    torch.manual_seed(0)
    layer = Linear(3, 2)
    x = torch.randn(6, 3)
    with pytest.raises(RuntimeError), folded_weights(layer):
        layer(torch.randn(6, 4))
    before = layer(x).detach()
    with torch.no_grad():
        layer.scale.mul_(2)
    assert not torch.equal(layer(x), before)


@pytest.mark.parametrize(
    ("layer", "single"),
    [
        (Linear(3, 3, torch.tensor([[0.0, 1, 0], [1, 1, 0], [0, 0, 0]])), [True, False, False]),
        (Conv2d(1, 2, 1), [True, True]),
        (ConvTranspose2d(1, 2, 1), [True, True]),
    ],
)
def test_a_unit_with_one_live_weight_learns_its_scale_alone(layer, single):
    randomised(layer)
    x = torch.randn(*((5, 3) if isinstance(layer, Linear) else (5, 1, 4, 4)), dtype=torch.float64)
    layer(x).square().sum().backward()
    gradients = layer.direction.grad.movedim(layer.output_dim, 0).flatten(1)
    live = torch.ones_like(layer.direction) if layer.mask is None else layer.mask
    weights = live.movedim(layer.output_dim, 0).flatten(1).sum(1)
    assert (weights == 1).tolist() == single
    assert (gradients != 0).any(1).tolist() == (weights > 1).tolist()
    assert (layer.scale.grad[weights > 0] != 0).all()


def test_a_new_layer_has_its_initial_scale_and_no_bias():
    layer = Linear(5, 4, initial_scale=0.1)
    assert (layer.scale == 0.1).all()
    assert (layer.bias == 0).all()
    # Salimans & Kingma, section 3
    assert float(Linear(300, 300).direction.detach().std()) == pytest.approx(0.05, rel=0.02)


def test_initialisation_forgets_scale_and_bias_and_leaves_a_unit_that_does_not_vary_its_plain_scale():
    torch.manual_seed(0)
    mask = torch.ones(4, 5)
    mask[2] = 0
    layer = Linear(5, 4, mask, initial_scale=0.1)
    with torch.no_grad():
        layer.scale.fill_(7.0)
        layer.bias.fill_(3.0)
    x = torch.randn(200, 5)
    with data_dependent_initialisation(layer):
        layer(x)
    std, mean = torch.std_mean(layer(x).detach(), dim=0, correction=0)
    torch.testing.assert_close(mean, torch.zeros(4), rtol=0, atol=1e-6)
    torch.testing.assert_close(std, torch.tensor([0.1, 0.1, 0.0, 0.1]), rtol=1e-5, atol=1e-6)
    assert float(layer.scale.detach()[2]) == pytest.approx(0.1)
