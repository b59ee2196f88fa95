"""MADE is autoregressive: by gradients of every output with respect to every input."""

import pytest
import torch
from torch.autograd.functional import jacobian

from mae_bench.nn.made import MADE


def mean_absolute_jacobian(made, units):
    """[units, units]: |d output i / d input j| averaged over a few inputs, so that no ReLU hides a path."""
    inputs = torch.randn(8, units, dtype=torch.float64)
    return torch.stack([jacobian(made, z[None])[0, :, 0] for z in inputs]).abs().mean(0)


@pytest.mark.parametrize(("units", "hidden"), [(2, 4), (5, 16), (8, 16)])
@pytest.mark.parametrize("direct", [True, False])
def test_output_i_depends_on_exactly_the_inputs_before_i(units, hidden, direct):
    torch.manual_seed(0)
    made = MADE(units, hidden, 1.0).double()
    if not direct:
        made.direct.scale.data.zero_()  # the hidden layer alone reaches every input too
    found = mean_absolute_jacobian(made, units)
    assert torch.equal(found != 0, torch.ones(units, units).tril(-1).bool())


def test_a_single_unit_has_a_constant():
    made = MADE(1, 4, 1.0)
    made.out_of_hidden.bias.data.fill_(0.7)
    assert torch.equal(made(torch.randn(5, 1)), torch.full((5, 1), 0.7))


def test_output_is_the_hidden_layer_plus_the_direct_connection():
    torch.manual_seed(0)
    made = MADE(4, 9, 1.0).double()
    z = torch.randn(3, 4, dtype=torch.float64)
    hidden = (z @ made.into_hidden.weight().T + made.into_hidden.bias).clamp_min(0)
    expected = hidden @ made.out_of_hidden.weight().T + made.out_of_hidden.bias
    expected = expected + z @ made.direct.weight().T + made.direct.bias
    torch.testing.assert_close(made(z), expected, rtol=1e-12, atol=1e-12)
