"""Freed memory is taken again without a page fault, where the C library is glibc."""

import platform
import subprocess
import sys

import pytest

FAULTS_OF_PASSES = """
import resource, sys, torch
if sys.argv[1] == "kept":
    from mae_bench.allocator import keep_freed_memory
    keep_freed_memory()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def one_pass():
    for mebibytes in (1, 8, 20, 8):
        torch.ones(mebibytes * 2**18)
for _ in range(4):
    one_pass()
before = faults()
for _ in range(10):
    one_pass()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_blocks_of_megabytes_are_kept():
    def faults(how: str) -> int:
        process = subprocess.run([sys.executable, "-c", FAULTS_OF_PASSES, how], capture_output=True, text=True)
        assert process.returncode == 0, process.stderr
        return int(process.stdout)

    assert faults("plain") > 10_000
    assert faults("kept") < 1_000


def test_another_c_library_is_left_alone(monkeypatch):
    from mae_bench import allocator

    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    allocator.keep_freed_memory()
