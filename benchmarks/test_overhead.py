"""What the harness adds to a job's arithmetic, and how long a command takes before it does what it is for."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mae_bench.executors.local import InProcess
from mae_bench.executors.run import run_jobs
from mae_bench.job import execute
from mae_bench.job.settings import JobSettings
from mae_bench.job.training import TrainingLoop
from mae_bench.planning.plan import Job, plan
from mae_bench.planning.registry import resolve_models, resolve_tasks
from mae_bench.records.store import Store
from mae_bench.report.progress import PlainDisplay
from mae_bench.vae import VAE

ARITHMETIC = [
    *((VAE, question) for question in ("initialise", "importance_terms", "posterior", "encode")),
    (TrainingLoop, "_step"),
    (execute, "evaluate_posterior"),
    (execute, "evaluate_probes"),
]
"""What a job is for: passes of the model, training steps once their bits are drawn, divergences of posteriors and fits
of probes. All else counts as overhead: data, bits, sums of the estimator, progress, checkpoints, shards, record."""
ROUNDS = 3
FIRST_STEP = """
import os, sys, torch
from mae_bench.cli import main
step = torch.optim.Adam.step
def only_step(*arguments, **options):
    step(*arguments, **options)
    os._exit(0)
torch.optim.Adam.step = only_step
sys.argv[0] = "mae-bench"
main()
"""
"""A command that ends with its first step of training."""
COMMANDS = {
    "help": ["-m", "mae_bench", "--help"],
    "list_tasks": ["-m", "mae_bench", "list", "tasks"],
    "first_step": ["-c", FIRST_STEP, "run", "--models", "mae", "--tasks", "digits"],
}


class Stopwatch:
    """Seconds within the outermost of nested calls."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._within = False

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def timed(*arguments: Any, **options: Any) -> Any:
            if self._within:
                return function(*arguments, **options)
            self._within, start = True, time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - start
                self._within = False

        return timed


@contextmanager
def timed_arithmetic() -> Iterator[Stopwatch]:
    """Within, a stopwatch runs while one of `ARITHMETIC` does."""
    watch = Stopwatch()
    with ExitStack() as patches:
        for owner, name in ARITHMETIC:
            patches.enter_context(patch.object(owner, name, watch.around(getattr(owner, name))))
        yield watch


def run_one(job: Job, folder: Path) -> None:
    """As `mae-bench run` does, in this process."""
    executor, settings = InProcess("cpu"), JobSettings()
    with (folder / "output.txt").open("w") as stream:
        report = PlainDisplay(1, stream)
        summary = run_jobs(
            [job], Store(folder), executor, settings, overwrite="always", exit_on_error=True, report=report
        )
    assert not summary.failed, summary.failed


def test_overhead_of_a_job(tmp_path: Path, hold_limit: Callable[..., None]) -> None:
    """MAE on the digits at preset small, in a process that has run a job before and so has loaded its libraries."""
    models, tasks = resolve_models("mae"), resolve_tasks("digits")
    [first], [job] = (plan(models, tasks, preset, [0]) for preset in ("smoke", "small"))
    run_one(first, tmp_path)
    shares = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        with timed_arithmetic() as watch:
            run_one(job, tmp_path)
        shares.append((time.perf_counter() - start) / watch.seconds - 1)
    hold_limit("overhead_job", 100 * median(shares), 3, "%")


@pytest.mark.parametrize(("name", "limit"), [("help", 0.3), ("list_tasks", 1), ("first_step", 6)])
def test_start_up(
    benchmark: BenchmarkFixture, hold_limit: Callable[..., None], tmp_path: Path, name: str, limit: float
) -> None:
    """From the command to its end; of `run`, at preset small, to the end of the first training step."""

    def command() -> None:
        subprocess.run([sys.executable, *COMMANDS[name]], cwd=tmp_path, check=True, capture_output=True)

    benchmark.pedantic(command, rounds=5, warmup_rounds=1)
    hold_limit(f"start_up_{name}", benchmark.stats.stats.median, limit, "s")
