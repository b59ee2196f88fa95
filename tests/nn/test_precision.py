"""What stays in float32 under autocast."""

import pytest
import torch

from mae_bench.nn.precision import at_least_float32, in_float32


def test_autocast_is_off_within_and_on_again_after():
    a = torch.randn(3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        with in_float32(a.device):
            assert (a @ a).dtype == torch.float32
        assert (a @ a).dtype == torch.bfloat16


def test_a_device_without_autocast_is_left_alone():
    a = torch.ones(2, 2, device="meta")
    with in_float32(a.device):
        assert (a @ a).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_only_shorter_numbers_are_cast(dtype):
    tensor = torch.ones(2, dtype=dtype)
    found = at_least_float32(tensor)
    assert found.dtype == (dtype if dtype == torch.float64 else torch.float32)
    assert (found is tensor) == (found.dtype == dtype)
