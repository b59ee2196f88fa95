"""torch.compile for the steps of a training, where it is asked for: kernels made by a C++ compiler, or by Triton."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from mae_bench.adapter import Adapter, Loss
from mae_bench.foundation.errors import UsageError, describe

_OPTIONS: dict[str, str | int | bool | Callable[..., object]] = {"fallback_random": True}
"""Noise comes from torch's own generators: a compiled step has the draws of any other."""


def compiled_loss(adapter: Adapter, device: torch.device) -> Callable[[Tensor], Loss]:
    """`adapter.loss` for batches of one size, compiled at its first call: the same but for rounding.

    UsageError where torch cannot compile here. What was compiled before in this process is forgotten.
    """
    check_compiler(str(device))
    torch.compiler.reset()  # else, after eight models, torch would go on without compiling
    compiled: Callable[[Tensor], Loss] = torch.compile(adapter.loss, dynamic=False, options=_OPTIONS)
    return compiled


@cache
def check_compiler(device: str) -> None:
    """UsageError where torch cannot compile for `device`, found out by compiling a sum."""
    try:
        torch.compile(lambda x: x + 1, options=_OPTIONS)(torch.zeros(2, device=device))
    except Exception as error:
        raise UsageError(
            f"--compile cannot be had for {device} here ({describe(error)}); install a C++ compiler, or begin the "
            "training without it."
        ) from error
