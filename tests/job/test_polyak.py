"""The Polyak average against torch's own, and against its definition."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mae_bench import Adapter, DataSpec
from mae_bench.job.polyak import PolyakAverage


class Model(Adapter):
    """Parameters, a buffer that counts and one that is no part of the state."""

    def __init__(self) -> None:
        super().__init__(DataSpec((1, 2, 2), "bernoulli", 10, 2), "smoke")
        self.inner = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        self.register_buffer("constant", torch.ones(3), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


def test_the_average_is_torchs_bit_for_bit() -> None:
    torch.manual_seed(0)
    model = Model()
    ours = PolyakAverage(model, 0.9)
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    by_definition = None
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    for step in range(5):
        optimiser.zero_grad()
        model(torch.randn(8, 3)).square().sum().backward()
        optimiser.step()
        ours.update(first=step == 0)
        theirs.update_parameters(model)
        value = model.inner[0].weight.detach().double()
        by_definition = value.clone() if by_definition is None else 0.9 * by_definition + 0.1 * value
    for name, value in theirs.module.state_dict().items():
        assert torch.equal(ours.adapter.state_dict()[name], value), name
    torch.testing.assert_close(ours.adapter.inner[0].weight.double(), by_definition, rtol=1e-5, atol=1e-7)
    assert not torch.equal(ours.adapter.inner[0].weight, model.inner[0].weight)
    assert int(ours.adapter.inner[1].num_batches_tracked) == 5
