"""The precision of matrix products and convolutions in training steps: float32, or bfloat16 if the preset says so.

bfloat16 has the range of float32 and 8 of its 24 bits. Weights, gradients, optimiser, densities and losses stay in
float32, and so does every evaluation. Where a device has no instructions for bfloat16, torch emulates them, many times
slower than float32.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import torch

from mae_bench.foundation.errors import UsageError
from mae_bench.planning.task import MatrixPrecision, TrainingSettings

AskedPrecision = Literal["preset", "float32", "bfloat16"]
_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")
"""Of x86 and ARM processors, as torch calls them."""


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether `device` has instructions for bfloat16; torch before 2.13 may not know it of a processor."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name, False) for name in _INSTRUCTIONS)


def choose_precision(asked: AskedPrecision, settings: TrainingSettings, device: torch.device) -> MatrixPrecision:
    """What a training that begins on `device` computes in; asked: the run's option.

    A preset with bfloat16 is trained in float32 on a device without the instructions. UsageError if bfloat16 was asked
    for there.
    """
    wanted = (settings.matrix_precision or "float32") if asked == "preset" else asked
    if wanted == "float32" or has_fast_bfloat16(device):
        return wanted
    if asked == "bfloat16":
        raise UsageError(
            f"{_named(device)} has no instructions for bfloat16, so each step would take many times as long as in "
            "float32; leave out --matrix-precision, or give float32."
        )
    return "float32"


def products_in(precision: MatrixPrecision, device: torch.device) -> AbstractContextManager[object]:
    """Within, matrix products and convolutions on `device` are in that precision."""
    return nullcontext() if precision == "float32" else torch.autocast(device.type, torch.bfloat16)


def note_on_precision(asked: AskedPrecision, settings: TrainingSettings, device: torch.device) -> str | None:
    """What a person should know before a training begins: that the preset's bfloat16 is not to be had here."""
    if choose_precision(asked, settings, device) == (settings.matrix_precision or "float32") or asked != "preset":
        return None
    return (
        f"{_named(device)} has no instructions for bfloat16: training steps are computed in float32, which takes one "
        "and a half to two times as long as on a device that has them; the records say so."
    )


def _named(device: torch.device) -> str:
    return "this processor" if device.type == "cpu" else f"the device {device}"
