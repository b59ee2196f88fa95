"""Dense blocks against Huang et al. (2017) written out."""

import torch
import torch.nn.functional as F

from mae_bench.nn.densenet import DenseBlock


def test_each_step_sees_all_maps_before_it_and_puts_its_own_behind_them() -> None:
    torch.manual_seed(0)
    block = DenseBlock(3, 2, 3).double()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    expected = x
    for step in block:
        narrow = F.elu(F.conv2d(expected, step.narrow.weight(), step.narrow.bias))
        new = F.conv2d(narrow, step.spatial.weight(), step.spatial.bias, padding=1)
        expected = F.elu(torch.cat([expected, new], dim=1))
    assert [step.narrow.weight().shape[:2] for step in block] == [(8, 3), (8, 5), (8, 7)]
    torch.testing.assert_close(block(x), expected, rtol=1e-12, atol=1e-12)
    assert block.outputs == block(x).shape[1] == 9
