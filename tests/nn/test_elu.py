"""The in-place ELU against torch's, its gradient by differences, and which of the two ways is taken."""

import pytest
import torch
import torch.nn.functional as F

from mae_bench.nn import elu as elu_module
from mae_bench.nn.elu import elu_


@pytest.fixture(params=["few", "many"])
def either_way(request, monkeypatch):
    """Torch's own, for few elements, and ours."""
    monkeypatch.setattr(elu_module, "_FEW", 10**9 if request.param == "few" else 0)
    return request.param


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 2.4e-7), (torch.float64, 4.5e-16)])
@pytest.mark.usefixtures("either_way")
def test_it_is_elu_to_two_roundings_of_one(dtype, tolerance):
    x = torch.cat([torch.linspace(-30, 30, 100_001), torch.tensor([0.0, -0.0, -1e-30, -1e30, 1e30])]).to(dtype)
    expected = F.elu(x)
    found = elu_(x)
    assert found is x or found.data_ptr() == x.data_ptr()
    assert (found[x < 20] - expected[x < 20]).abs().max() <= tolerance
    assert torch.equal(found[expected > 0], expected[expected > 0])


@pytest.mark.usefixtures("either_way")
def test_what_is_not_finite_stays_so():
    x = torch.tensor([float("nan"), float("inf"), -float("inf")])
    found = elu_(x)
    assert found[0].isnan()
    assert found[1:].tolist() == [float("inf"), -1.0]


def test_with_gradients_it_is_torchs_own(monkeypatch):
    monkeypatch.setattr(elu_module, "_FEW", 0)
    torch.manual_seed(0)
    x = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    (found,) = torch.autograd.grad(elu_(3 * x).sin().sum(), x)
    (expected,) = torch.autograd.grad(F.elu(3 * x, inplace=True).sin().sum(), x)
    assert torch.equal(found, expected)


def test_ours_is_taken_for_many_elements_and_keeps_channels_last(monkeypatch):
    taken = []
    monkeypatch.setattr(torch, "maximum", lambda x, *_, **__: taken.append(x.shape) or x)
    elu_(torch.zeros(elu_module._FEW - 1))
    assert taken == []
    elu_(torch.zeros(elu_module._FEW))
    assert len(taken) == 1
    monkeypatch.undo()
    images = torch.randn(32, 64, 28, 28).contiguous(memory_format=torch.channels_last)
    assert elu_(images).is_contiguous(memory_format=torch.channels_last)
