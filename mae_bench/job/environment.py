"""The machine and the software that a record was made with, without path, user or host name; peak memory."""

import platform
import resource
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from mae_bench import __version__
from mae_bench.foundation.content import PACKAGE
from mae_bench.foundation.text import printable
from mae_bench.records.schema import LONGEST_DESCRIPTION, Environment

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def describe_environment(device: torch.device) -> Environment:
    """Python, packages, processor, device, threads and the commit of the checkout, if there is one."""
    commit = _git("rev-parse", "HEAD")
    return Environment(
        python=platform.python_version(),
        torch=torch.__version__,
        mae_bench=__version__,
        platform=_described(f"{platform.system()} {platform.machine()}"),
        processor=_described(processor()),
        device=_described(torch.cuda.get_device_name(device)) if device.type == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        git_commit=commit,
        git_dirty=None if commit is None else bool(_git("status", "--porcelain", "--untracked-files=no")),
        numpy=_version("numpy"),
        scikit_learn=_version("scikit-learn"),
    )


def describe_machine(device: torch.device) -> str:
    """The device, a processor by its model, and torch: what decides the last bits of a training."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else processor()
    return _described(f"torch {torch.__version__} on {name}")


def _version(distribution: str) -> str | None:
    """The installed version, without importing it."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _described(text: str) -> str:
    """What a system says of itself, in the form that records have: printable, not empty and short."""
    return printable(text.strip())[:LONGEST_DESCRIPTION] or "unknown"


def _git(*arguments: str) -> str | None:
    """What git says of the checkout that the package lies in; None for a wheel or without git."""
    root = PACKAGE.parent
    if not (root / ".git").exists():
        return None
    try:
        answer = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def processor() -> str:
    """The processor's model name, as the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


class PeakMemory:
    """Peak memory from construction on, in MiB: of the process, and of the CUDA device if it is one.

    Linux lets a process reset its peak; elsewhere the process's figure is that of its whole life.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        try:
            _CLEAR.write_text("5")
        except OSError:
            return

    def read(self) -> dict[str, float]:
        """{"process": ..., "cuda": ...}, MiB."""
        peaks = {"process": round(_process_peak_kib() / 1024, 1)}
        if self.device.type == "cuda":
            peaks["cuda"] = round(torch.cuda.max_memory_allocated(self.device) / 2**20, 1)
        return peaks


def _process_peak_kib() -> float:
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1])
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform == "darwin" else peak
