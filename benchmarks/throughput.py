"""How many jobs an hour one process, several processes and Ray finish on this machine, and what they add to a job.

`make throughput` runs it: a grid on the digits at preset small by each executor, then jobs without work on Ray. One run
prints every figure, since only figures of one run on one machine can be compared.
"""

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from math import nan
from pathlib import Path
from statistics import mean
from typing import TextIO

from mae_bench.executors import Executor
from mae_bench.executors.local import InProcess
from mae_bench.executors.ray import connect
from mae_bench.executors.run import RunSummary, run_jobs
from mae_bench.executors.slots import Slots, plan_slots
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import Job, plan
from mae_bench.planning.registry import resolve_models, resolve_tasks
from mae_bench.records.progress import all_progress
from mae_bench.records.store import Store
from mae_bench.report.progress import PlainDisplay

GRID = "vlae[free_bits=[0.0,0.01,0.02,0.05]]"
HERE = Path(__file__).resolve().parent


class MemoryDisplay(PlainDisplay):
    """Notes the memory of this process and all that it started, in MiB, each time a job ends."""

    def __init__(self, jobs: int, stream: TextIO) -> None:
        super().__init__(jobs, stream)
        self.mebibytes: list[float] = []

    def end(self, title: str, outcome: str) -> None:
        self.mebibytes.append(memory_of_descendants(os.getpid()))


def memory_of_descendants(root: int) -> float:
    """The resident memory of a process and its descendants, shared pages counted once a process, MiB."""
    children, memory = defaultdict(list), {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            pages = int((folder / "statm").read_text().split()[1])
        except OSError:  # it has ended meanwhile
            continue
        children[parent].append(int(folder.name))
        memory[int(folder.name)] = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    found = [root]
    for process in found:
        found += children[process]
    return sum(memory.get(process, 0.0) for process in found)


def run(executor: Executor, jobs: Sequence[Job], store: Store, report: PlainDisplay) -> tuple[RunSummary, float]:
    """The run and its wall time in seconds; ends the benchmark where a job fails."""
    started = time.monotonic()
    summary = run_jobs(jobs, store, executor, JobSettings(), overwrite="always", exit_on_error=True, report=report)
    assert not summary.failed, summary.failed
    return summary, time.monotonic() - started


def measure_grid(name: str, executor: Executor, jobs: Sequence[Job], folder: Path) -> float:
    """Print what the executor makes of the grid; gives jobs an hour.

    Overhead is time beyond the training and the evaluation that the records count: once, from the start of the run to
    the end of a process's first job, since it has libraries to load; then for each job that follows there.
    """
    store, began = Store(folder / name), time.time()
    with Path(os.devnull).open("w") as nowhere:
        summary, seconds = run(executor, jobs, store, PlainDisplay(len(jobs), nowhere))
    work = {job.key: record.clocks.training_seconds + record.clocks.evaluation_seconds for job, record in summary.done}
    processes = defaultdict(list)
    for progress in sorted(all_progress(store.root), key=lambda progress: progress.started):
        processes[progress.pid].append(progress)
    once = [first.updated - began - work[first.key] for first, *_ in processes.values()]
    later = [
        (after.updated - before.updated - work[after.key]) / work[after.key]
        for ran in processes.values()
        for before, after in pairwise(ran)
    ]
    rate = 3600 * len(jobs) / seconds
    print(
        f"{name:12} {rate:6.0f} jobs/h: {len(jobs)} jobs in {seconds:.0f} s, {mean(work.values()):.1f} s of work each; "
        f"overhead {mean(once):.1f} s once a process, then {100 * mean(later or [nan]):.1f} % of a job's work",
        flush=True,
    )
    return rate


def measure_empty_jobs(count: int, folder: Path) -> None:
    """Print what a job without work takes on Ray, and the memory of the first and the last ones."""
    models, tasks = resolve_models(str(HERE / "nothing.py")), resolve_tasks(str(HERE / "nothing.toml"))
    jobs = plan(models, tasks, "smoke", range(count))
    store = Store(folder / "empty")
    with Path(os.devnull).open("w") as nowhere:
        report = MemoryDisplay(count, nowhere)
        run(connect(None), jobs, store, report)
    ended = sorted(progress.updated for progress in all_progress(store.root))
    quarter = count // 4
    milliseconds = 1000 * (ended[-1] - ended[quarter]) / (count - 1 - quarter)
    print(
        f"empty on Ray {milliseconds:6.0f} ms a job; memory "
        f"{report.mebibytes[quarter]:.0f} MiB after {quarter} jobs, {report.mebibytes[-1]:.0f} MiB after {count}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="of each of the four models of the grid")
    parser.add_argument("--preset", default="small", help="of the grid")
    parser.add_argument("--empty", type=int, default=200, help="jobs without work on Ray")
    options = parser.parse_args()
    jobs = plan(resolve_models(GRID), resolve_tasks("digits"), options.preset, range(options.seeds))
    slots = max(2, len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as folder:
        one = measure_grid("one process", InProcess("cpu"), jobs, Path(folder))
        several = measure_grid(f"{slots} processes", Slots(plan_slots("cpu", slots)), jobs, Path(folder))
        on_ray = measure_grid("Ray", connect(None), jobs, Path(folder))
        print(f"of one process: {slots} processes {several / one:.2f}, Ray {on_ray / one:.2f}")
        measure_empty_jobs(options.empty, Path(folder))


if __name__ == "__main__":
    main()
