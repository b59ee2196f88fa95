"""The executor of one process and one device: one job after another, here. Imports torch only when it runs."""

import os
import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from mae_bench.executors import JobResult
from mae_bench.executors.display import RunDisplay
from mae_bench.foundation.errors import UsageError, describe
from mae_bench.foundation.text import quoted
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import Job
from mae_bench.records.store import Store

THREADS_VARIABLE = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class InProcess:
    """The default executor. device: one that `choose_device` gave."""

    device: str

    @property
    def devices(self) -> Sequence[str]:
        """As `Executor.devices`."""
        return (self.device,)

    def run(
        self, jobs: Sequence[Job], store: Store, settings: JobSettings, report: RunDisplay
    ) -> Generator[JobResult, None, None]:
        """As `Executor.run`."""
        from mae_bench.executors.run_job import run_job

        for job in jobs:
            report.start(job.title)
            yield run_job(
                job,
                settings,
                working_directory=store.working_directory(job),
                device=self.device,
                place=self.device,
                store=store,
                progress=report.progress,
            )


def check_threads() -> str | None:
    """What the variable OMP_NUM_THREADS says, None if it is not set; UsageError if OpenMP could not read it.

    That is a number of threads or a list of them, one for each level of nesting. Libraries replace anything else by a
    number of their own, which would decide the last bits of sums unseen.
    """
    threads = os.environ.get(THREADS_VARIABLE, "").strip()
    for number in threads.split(",") if threads else []:
        if not (re.fullmatch(r"\s*\+?[0-9]{1,20}\s*", number) and 0 < int(number) < 2**31):
            raise UsageError(
                f"{THREADS_VARIABLE} is {quoted(repr(threads))}, which is no number of threads; set it to a whole "
                "number above zero, or unset it."
            )
    return threads or None


def choose_device(name: str) -> str:
    """The device of that name, tried out; "auto" is CUDA if there is a GPU, else the CPU. UsageError if unusable, and
    from `check_threads`.
    """
    check_threads()
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.ones(1, device=name).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(
            f"device {name!r} cannot be used here ({describe(error)}); choose auto, cpu, cuda or cuda:N."
        ) from error
    return name
