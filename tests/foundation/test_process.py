"""Every piece of the process's state that a model may change comes back, and a job begins with the harness's own."""

import asyncio
import gc
import json
import locale
import logging
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import pytest
import sklearn
import torch

from mae_bench.foundation.content import PACKAGE
from mae_bench.foundation.errors import Escape, describe
from mae_bench.foundation.interruption import Interrupted
from mae_bench.foundation.process import _ALL, kept_apart, use_own_settings
from mae_bench.foundation.process_settings import KEEP

MODULE_HOOKS = torch.nn.modules.module
VANDALISM = {
    "matmul precision": lambda: torch.set_float32_matmul_precision("medium"),
    "TF32 of products": lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
    "TF32 of convolutions": lambda: setattr(torch.backends.cudnn, "allow_tf32", True),
    "precision of everything": lambda: setattr(torch.backends, "fp32_precision", "tf32"),
    "bfloat16 on the CPU": lambda: setattr(torch.backends.mkldnn.matmul, "fp32_precision", "bf16"),
    "default dtype": lambda: torch.set_default_dtype(torch.float64),
    "default device": lambda: torch.set_default_device("meta"),
    "grad mode": lambda: torch.set_grad_enabled(False),
    "autocast": lambda: torch.set_autocast_enabled("cpu", True),
    "autocast dtype": lambda: torch.set_autocast_dtype("cpu", torch.float16),
    "anomaly mode": lambda: torch.autograd.set_detect_anomaly(True),
    "deterministic algorithms": lambda: torch.use_deterministic_algorithms(True),
    "denormal numbers": lambda: torch.set_flush_denormal(True),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "torch's generator": lambda: torch.manual_seed(1),
    "validation of distributions": lambda: torch.distributions.Distribution.set_default_validate_args(False),
    "hook of every module": lambda: MODULE_HOOKS.register_module_forward_hook(lambda *_: None),
    "cuDNN": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "oneDNN": lambda: setattr(torch.backends.mkldnn, "enabled", False),
    "attention": lambda: torch.backends.cuda.enable_flash_sdp(False),
    "sharing of tensors": lambda: torch.multiprocessing.set_sharing_strategy("file_system"),
    "numpy's generator": lambda: np.random.seed(1),
    "numpy's errors": lambda: np.seterr(all="raise"),
    "scikit-learn's output": lambda: sklearn.set_config(transform_output="pandas", working_memory=1),
    "Python's generator": lambda: random.seed(1),
    "working directory": lambda: os.chdir("/"),
    "arguments": lambda: sys.argv.append("--mine"),
    "other arguments": lambda: setattr(sys, "argv", ["mine"]),
    "path": lambda: sys.path.insert(0, "/mine"),
    "other path": lambda: setattr(sys, "path", []),
    "output": lambda: setattr(sys, "stdout", None),
    "recursion": lambda: sys.setrecursionlimit(12345),
    "environment": lambda: os.environ.update(MINE="1", HOME="/mine"),
    "less environment": lambda: os.environ.pop("HOME", None),
    "warnings": lambda: warnings.simplefilter("error"),
    "display of warnings": lambda: setattr(warnings, "showwarning", None),
    "signals": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "alarm": lambda: signal.alarm(600),
    "logging": lambda: logging.basicConfig(level=logging.DEBUG, force=True),
    "no logging": lambda: logging.disable(logging.CRITICAL),
    "locale": lambda: locale.setlocale(locale.LC_ALL, "C"),
    "garbage": gc.disable,
    "timeout": lambda: socket.setdefaulttimeout(5),
    "temporary folder": lambda: setattr(tempfile, "tempdir", "/mine"),
    "start of processes": lambda: multiprocessing.set_start_method("spawn", force=True),
}


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch, tmp_path):
    """A test that fails must not spoil others."""
    monkeypatch.setenv("HOME", os.environ.get("HOME", "/root"))
    monkeypatch.chdir(tmp_path)
    before = state()
    yield
    for setting, value in before:
        setting.put(value)


def state():
    return [(setting, setting.value()) for setting in _ALL]


def differences(first, second):
    return [setting.module for (setting, a), (_, b) in zip(first, second, strict=True) if a != b]


@pytest.mark.parametrize("what", VANDALISM)
def test_what_a_model_sets_comes_back_and_the_next_begins_with_the_harness_own(what):
    path = sys.path
    with kept_apart():
        pass  # the harness's own values, and caches that are filled at a first use
    before = state()
    with kept_apart():
        begun = state()
        VANDALISM[what]()
        assert differences(state(), begun), "this test does not vandalise"
    assert differences(state(), before) == []
    assert sys.path is path
    with kept_apart():
        assert differences(state(), begun) == []


def test_one_that_does_everything_leaves_nothing_behind_whatever_it_raises():
    before = state()
    with pytest.raises(Escape), kept_apart():
        for vandalise in VANDALISM.values():
            vandalise()
        sys.exit()
    assert differences(state(), before) == []


def test_a_job_has_the_harness_own_values_whoever_calls_and_they_are_not_forced_on_the_caller():
    torch.set_default_dtype(torch.float64)
    torch.set_float32_matmul_precision("medium")
    with kept_apart():
        assert torch.get_default_dtype() == torch.float32
        assert torch.get_float32_matmul_precision() == "highest"
        torch.set_default_dtype(torch.float16)
        use_own_settings()
        assert torch.get_default_dtype() == torch.float32
    assert torch.get_default_dtype() == torch.float64
    assert torch.get_float32_matmul_precision() == "medium"


def test_the_harness_own_values_are_those_of_a_fresh_process_but_for_tf32():
    script = (
        "import json, torch, numpy, sklearn\nfrom mae_bench.foundation.process import _ALL, KEEP\n"
        "print(json.dumps([str(s.value()) for s in _ALL if s.own is not KEEP]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    fresh = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    own = [setting for setting in _ALL if setting.own is not KEEP]
    different = [one.own for one, value in zip(own, json.loads(fresh.stdout), strict=True) if str(one.own) != value]
    assert [value[1:] for value in different] == [("highest", False)]


def test_a_package_that_a_model_is_the_first_to_load_gets_the_harness_own_values(monkeypatch):
    monkeypatch.delitem(sys.modules, "sklearn")
    with kept_apart():
        sys.modules["sklearn"] = sklearn
        sklearn.set_config(transform_output="pandas")
    assert sklearn.get_config()["transform_output"] == "default"


@pytest.mark.parametrize("error", [SystemExit(3), SystemExit(), GeneratorExit("so"), asyncio.CancelledError()])
def test_what_is_no_exception_leaves_as_one_and_keeps_its_name_and_line(error):
    with pytest.raises(Escape) as raised, kept_apart():
        raise error
    assert describe(raised.value) == describe(error)
    assert f"{type(error).__name__} at line " in describe(raised.value, __file__)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Interrupted(signal.SIGTERM), ValueError()])
def test_exceptions_and_interruptions_leave_as_they_are(error):
    before = state()
    with pytest.raises(type(error)) as raised, kept_apart():
        os.chdir("/")
        raise error
    assert raised.value is error
    assert differences(state(), before) == []


def test_a_directory_that_is_gone_is_no_reason_to_fail(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with kept_apart():
        os.chdir("/")


def test_an_exception_that_cannot_say_anything_is_named():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    assert describe(Mute()) == "Mute"
