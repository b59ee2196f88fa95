"""Executors: jobs -> records. Nothing here knows what a VAE is.

`executors.run.run_jobs` asks the store which jobs have a record already and gives the others to an executor, which runs
each through `executors.run_job.run_job`, in this process or in others, and lets no failed job stop the rest.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from mae_bench.executors.display import RunDisplay
    from mae_bench.job.settings import JobSettings
    from mae_bench.planning.plan import Job
    from mae_bench.records.schema import Record
    from mae_bench.records.store import Store

OverwriteStrategy = Literal["only-missing", "always", "never"]
"""only-missing: run what has no complete record; a partial one is continued from its checkpoint. always: run everything
anew, without old checkpoints; if that is interrupted, only-missing resumes it. never: keep every record that exists,
even a partial one."""


@dataclass(frozen=True)
class JobResult:
    """What became of a job: its record, saved in the store, or one sentence about why there is none."""

    job: "Job"
    outcome: "Record | str"
    seconds: float
    """Wall time of this run of the job."""
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    """Those of its model by kind, for a record that was not saved where the job ran (`mae_bench.records.pictures`)."""


class Executor(Protocol):
    """Runs jobs. An executor chooses where and how many at a time; the numbers are the same."""

    @property
    def devices(self) -> Sequence[str]:
        """Those of the jobs, as torch calls them; none if they are not known here."""
        ...

    def run(
        self, jobs: "Sequence[Job]", store: "Store", settings: "JobSettings", report: "RunDisplay"
    ) -> Generator[JobResult, None, None]:
        """The result of every job, as they come. report: told of a job that runs in this very process.

        Closing the generator, or an exception in its consumer, stops what still runs: each such job writes a checkpoint
        and ends.
        """
        ...
