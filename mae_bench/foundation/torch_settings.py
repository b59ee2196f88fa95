"""What torch holds for a whole process: a table for `foundation.process`. Imports no torch.

The harness measures in float32 throughout: no TF32, no bfloat16, no autocast.
"""

import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from mae_bench.foundation.process_settings import Setting, attributes, pair

_DEVICES = ("cpu", "cuda")
_PRECISIONS = {
    "": "none",
    "cudnn": "none",
    "mkldnn": "none",
    "cuda.matmul": "ieee",
    "cudnn.conv": "none",
    "cudnn.rnn": "none",
    "mkldnn.matmul": "ieee",
    "mkldnn.conv": "none",
    "mkldnn.rnn": "none",
}
"""Where torch.backends says how exactly it computes with float32, and what it says for full precision; the first three
decide those of the others that are "none"."""
_OWN_AUTOCAST = ((False, "torch.bfloat16"), (False, "torch.float16"))


def _backend(torch: Any, path: str) -> Any:
    found = torch.backends
    for name in path.split(".") if path else ():
        found = getattr(found, name)
    return found


def _read_precision(torch: Any) -> tuple[tuple[str, ...], str | None, bool | None]:
    """As torch 2.9 says it, and as torch said it before; None if the older way does not know what was set."""
    multiplication, convolution = None, None
    with suppress(RuntimeError):
        multiplication = torch.get_float32_matmul_precision()
    with suppress(RuntimeError):
        convolution = torch.backends.cudnn.allow_tf32
    return tuple(_backend(torch, path).fp32_precision for path in _PRECISIONS), multiplication, convolution


def _write_precision(torch: Any, values: tuple[tuple[str, ...], str | None, bool | None]) -> None:
    precisions, multiplication, convolution = values
    for path in ("", "cudnn", "mkldnn"):  # from where the older way can set everything
        _backend(torch, path).fp32_precision = "none"
    torch.set_float32_matmul_precision(multiplication or "highest")
    torch.backends.cudnn.allow_tf32 = bool(convolution)
    for path, precision in zip(_PRECISIONS, precisions, strict=True):
        if _backend(torch, path).fp32_precision != precision:
            _backend(torch, path).fp32_precision = precision


def _write_default_device(torch: Any, device: str) -> None:
    torch.set_default_device(None if device == "cpu" else device)
    if device == "cpu" and str(torch.get_default_device()) != "cpu":  # it came from set_default_tensor_type
        torch.set_default_tensor_type("torch.FloatTensor")


def _write_deterministic(torch: Any, values: tuple[bool, bool, bool]) -> None:
    torch.use_deterministic_algorithms(values[0], warn_only=values[1])
    torch.utils.deterministic.fill_uninitialized_memory = values[2]


def _dtype(torch: Any, name: str) -> Any:
    return getattr(torch, name.removeprefix("torch."))


def _read_autocast(torch: Any) -> tuple[tuple[bool, str], ...]:
    return tuple((torch.is_autocast_enabled(device), str(torch.get_autocast_dtype(device))) for device in _DEVICES)


def _write_autocast(torch: Any, values: tuple[tuple[bool, str], ...]) -> None:
    for device, (enabled, dtype) in zip(_DEVICES, values, strict=True):
        torch.set_autocast_enabled(device, enabled)
        torch.set_autocast_dtype(device, _dtype(torch, dtype))


def _read_hooks(module: Any) -> dict[str, Any]:
    """The hooks of every module, or of every optimiser."""
    found = {name: value for name, value in vars(module).items() if name.startswith("_global_")}
    return {name: dict(value) if isinstance(value, dict) else value for name, value in found.items()}


def _write_hooks(module: Any, hooks: Mapping[str, Any]) -> None:
    for name, value in hooks.items():
        if isinstance(value, dict):
            registered = getattr(module, name)
            registered.clear()
            registered.update(value)
        else:
            setattr(module, name, value)


def _read_device_index(cuda: Any) -> int:
    return cuda.current_device() if cuda.is_initialized() else 0


def _write_device_index(cuda: Any, index: int) -> None:
    if cuda.is_initialized():
        cuda.set_device(index)


TORCH_SETTINGS: tuple[Setting, ...] = (
    Setting("torch", lambda torch: str(torch.get_default_device()), _write_default_device, "cpu"),
    Setting(
        "torch",
        lambda torch: str(torch.get_default_dtype()),
        lambda torch, name: torch.set_default_dtype(_dtype(torch, name)),
        "torch.float32",
    ),
    pair("torch", "is_grad_enabled", "set_grad_enabled", True),
    Setting("torch", _read_precision, _write_precision, (tuple(_PRECISIONS.values()), "highest", False)),
    Setting("torch", _read_autocast, _write_autocast, _OWN_AUTOCAST),
    pair("torch", "is_autocast_cache_enabled", "set_autocast_cache_enabled", True),
    Setting(
        "torch",
        lambda torch: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda torch, values: torch.autograd.set_detect_anomaly(*values),
        (False, True),
    ),
    Setting(
        "torch",
        lambda torch: (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            torch.utils.deterministic.fill_uninitialized_memory,
        ),
        _write_deterministic,
    ),
    Setting(  # the smallest number above zero that has full precision, halved
        "torch",
        lambda torch: sys.float_info.min * 0.5 == 0.0,
        lambda torch, flush: torch.set_flush_denormal(flush),
        False,
    ),
    pair("torch", "get_num_threads", "set_num_threads"),
    Setting(
        "torch",
        lambda torch: bytes(torch.get_rng_state().numpy()),
        lambda torch, state: torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8)),
    ),
    pair("torch.multiprocessing", "get_sharing_strategy", "set_sharing_strategy"),
    Setting(
        "torch.distributions",
        lambda distributions: distributions.Distribution._validate_args,
        lambda distributions, validate: distributions.Distribution.set_default_validate_args(validate),
        __debug__,
    ),
    Setting("torch.nn.modules.module", _read_hooks, _write_hooks),
    Setting("torch.optim.optimizer", _read_hooks, _write_hooks),
    attributes("torch.backends.cudnn", "enabled", "benchmark", "benchmark_limit", "deterministic"),
    attributes("torch.backends.mkldnn", "enabled", "deterministic"),
    attributes("torch.backends.opt_einsum", "enabled", "strategy"),
    attributes(
        "torch.backends.cuda",
        "allow_fp16_reduced_precision_reduction",
        "allow_bf16_reduced_precision_reduction",
        "allow_fp16_accumulation",
        of="matmul",
    ),
    pair("torch.backends.cuda", "flash_sdp_enabled", "enable_flash_sdp"),
    pair("torch.backends.cuda", "mem_efficient_sdp_enabled", "enable_mem_efficient_sdp"),
    pair("torch.backends.cuda", "math_sdp_enabled", "enable_math_sdp"),
    pair("torch.backends.cuda", "cudnn_sdp_enabled", "enable_cudnn_sdp"),
    pair("torch.backends.cuda", "preferred_linalg_library", "preferred_linalg_library"),
    pair("torch.backends.cuda", "preferred_blas_library", "preferred_blas_library"),
    Setting("torch.cuda", _read_device_index, _write_device_index),
)
