"""Freed memory is taken again without a page fault, where the C library is glibc."""

import platform
import subprocess
import sys

import pytest

from mae_bench.job import allocator

FAULTS_OF_A_PASS = """
import resource, sys, torch
from mae_bench.adapter import DataSpec
from mae_bench.job.allocator import keep_freed_memory
from mae_bench.planning.registry import build_adapter, resolve_models
if sys.argv[1] == "kept":
    keep_freed_memory()
torch.set_num_threads(1)
(vlae,) = resolve_models("vlae")
model = build_adapter(vlae, DataSpec((1, 28, 28), "bernoulli", 100, 10), "paper")
x = torch.bernoulli(torch.full((1, 1, 28, 28), 0.13))
with torch.no_grad():
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        model.importance_terms(x, 64)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_the_activations_of_a_pass_cost_no_page_faults():
    command = [sys.executable, "-c", FAULTS_OF_A_PASS, "kept"]
    # Tens of thousands where every block of megabytes is mapped anew.
    assert int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) < 1000


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    allocator.keep_freed_memory()
