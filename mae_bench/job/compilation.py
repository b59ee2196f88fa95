"""torch.compile for training steps, if asked for: the kernels are made by a C++ compiler, or by Triton."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from mae_bench.adapter import Adapter, Loss
from mae_bench.foundation.errors import UsageError, describe

_OPTIONS: dict[str, str | int | bool | Callable[..., object]] = {"fallback_random": True}
"""Noise comes from torch's own generators, so a compiled step draws the same numbers as any other."""


def compiled_loss(adapter: Adapter, device: torch.device) -> Callable[[Tensor], Loss]:
    """`adapter.loss` for batches of one size, compiled at its first call: the same but for rounding.

    UsageError if torch cannot compile here. What was compiled earlier in this process is forgotten.
    """
    check_compiler(str(device))
    torch.compiler.reset()  # else, after eight models, torch would go on without compiling
    compiled: Callable[[Tensor], Loss] = torch.compile(adapter.loss, dynamic=False, options=_OPTIONS)
    return compiled


@cache
def check_compiler(device: str) -> None:
    """UsageError if torch cannot compile for `device`; a sum is compiled to find out."""
    try:
        torch.compile(lambda x: x + 1, options=_OPTIONS)(torch.zeros(2, device=device))
    except Exception as error:
        raise UsageError(
            f"--compile does not work for {device} here ({describe(error)}); install a C++ compiler, or begin the "
            "training without it."
        ) from error
