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


@pytest.mark.parametrize(("units", "hidden"), [(2, 4), (5, 16), (8, 21)])
def test_no_hidden_unit_is_blind_or_idle_and_all_degrees_are_alike(units, hidden):
    """A blind one sees no input, an idle one reaches no output: either would narrow the network unnoticed."""
    made = MADE(units, hidden, 1.0)
    sees, feeds = made.into_hidden.mask.sum(1), made.out_of_hidden.mask.sum(0)
    assert sees.min() >= 1
    assert feeds.min() >= 1
    assert torch.equal(sees + feeds, torch.full((hidden,), float(units)))
    _, counts = sees.unique(return_counts=True)
    assert len(counts) == units - 1
    assert counts.max() - counts.min() <= 1


def test_all_three_layers_begin_at_the_initial_scale():
    made = MADE(4, 9, 0.1)
    for layer in (made.into_hidden, made.out_of_hidden, made.direct):
        assert (layer.scale == 0.1).all()


def test_units_come_in_their_order():
    made = MADE(3, 4, 1.0)
    assert [place for place, _ in made.in_order(torch.zeros(2, 3))] == [(..., 0), (..., 1), (..., 2)]
