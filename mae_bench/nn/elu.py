"""The exponential linear unit, ELU(x) = x for x > 0 and exp(x) - 1 otherwise (Clevert et al., 2016), in place."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_LOG2_E = math.log2(math.e)
_FEW = 2**16
"""Fewer elements are left to torch's own ELU, faster there: one call in place of five."""


def elu_(x: Tensor) -> Tensor:
    """ELU of x, which it overwrites; any shape.

    On a CPU without gradients it takes 2^(x log2 e) - 1 in place of torch's expm1: half the time, and within two
    roundings of one (2.4e-7 in float32) of F.elu.
    """
    if x.device.type != "cpu" or x.numel() < _FEW or (torch.is_grad_enabled() and x.requires_grad):
        return F.elu(x, inplace=True)
    # For x < 0, exp(x) - 1 lies above x; for x > 0 the other side of the maximum is 0.
    negative = x.clamp(max=0).mul_(_LOG2_E).exp2_().sub_(1)
    return torch.maximum(x, negative, out=x)
