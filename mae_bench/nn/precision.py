"""Parts of a model that stay in float32 while training runs matrix products and convolutions in bfloat16."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn


def in_float32(device: torch.device) -> AbstractContextManager[object]:
    """Within, autocast is off: what is called computes in the dtype of its inputs, which the caller casts."""
    if not torch.amp.is_autocast_available(device.type):  # the meta device
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def at_least_float32(tensor: Tensor) -> Tensor:
    """`tensor`, in float32 if its own dtype is of fewer bits."""
    return tensor.float() if tensor.dtype.itemsize < torch.float32.itemsize else tensor


def head_in_float32(head: nn.Module, x: Tensor) -> Tensor:
    """head(x), in float32 under autocast too: 8 bits cannot tell the means of neighbouring levels apart."""
    with in_float32(x.device):
        result: Tensor = head(at_least_float32(x))
    return result
