"""Inverse autoregressive flows: order, log-determinant against autograd, and where they begin."""

import pytest
import torch
from torch.autograd.functional import jacobian

from mae_bench.vae.inverse_flows import InverseFlow, map_inverse_flow, unit_inverse_flow

CASES = {
    "units": (lambda steps: unit_inverse_flow(5, 3, steps, 16), 5, (3,)),
    "maps": (lambda steps: map_inverse_flow((2, 2, 3), 3, steps, 8), 12, (3, 2, 3)),
}


def make(case, steps):
    torch.manual_seed(0)
    build, units, context = CASES[case]
    flow = build(steps).double()
    for parameter in flow.parameters():
        parameter.data.add_(0.5 * torch.randn_like(parameter))
    return flow, torch.randn(1, units, dtype=torch.double), torch.randn(1, *context, dtype=torch.double)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_the_log_determinant_is_that_of_the_jacobian(case, steps):
    flow, z, context = make(case, steps)
    matrix = jacobian(lambda u: flow(u, context)[0], z)[0, :, 0]
    torch.testing.assert_close(flow(z, context)[1][0], torch.linalg.slogdet(matrix).logabsdet)


def test_a_step_is_triangular_and_a_second_one_runs_the_other_way():
    flow, z, context = make("units", 2)
    for number, upper in enumerate((True, False)):
        one = InverseFlow((5,), (1,), 0, torch.nn.Identity)
        one.steps.append(flow.steps[number])
        if number:  # put at the second place, behind a step that does nothing
            one.steps.insert(0, _Nothing())
        matrix = jacobian(lambda u, one=one: one(u, context)[0], z)[0, :, 0]
        hidden = matrix.triu(1) if upper else matrix.tril(-1)
        seen = matrix.tril(-1) if upper else matrix.triu(1)
        assert (hidden == 0).all()
        assert seen.count_nonzero() == 10


class _Nothing(torch.nn.Module):
    def forward(self, z, context):
        return z, z.new_zeros(len(z))


@pytest.mark.parametrize("case", CASES)
def test_the_context_is_seen_and_rows_do_not_mix(case):
    flow, z, context = make(case, 2)
    other = flow(z, context + 1)[0]
    assert not torch.allclose(other, flow(z, context)[0])
    both = flow(torch.cat([z, z]), torch.cat([context, context + 1]))[0]
    torch.testing.assert_close(both[1:], other)


def test_maps_keep_their_places_whatever_the_number_of_steps():
    """With the gates wide open each step is the identity, also for an odd number of them."""
    for steps in (1, 2, 3):
        flow, z, context = make("maps", steps)
        for step in flow.steps:
            for layer in (step.gate.cnn.third, step.gate.cnn.direct):
                layer.scale.data.zero_()
            step.gate.cnn.third.bias.data.fill_(60.0)
        torch.testing.assert_close(flow(z, context)[0], z)


def test_wrong_numbers_of_steps_are_refused():
    with pytest.raises(ValueError, match="steps must not be negative"):
        unit_inverse_flow(2, 2, -1, 4)
