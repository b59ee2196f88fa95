"""What can be told before a run trains: which executor, what is wrong with the models, what to know of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from mae_bench.executors import Executor, OverwriteStrategy
from mae_bench.executors.run import kept_record
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import Job
from mae_bench.records.store import Store


@dataclass(frozen=True)
class Preparation:
    """Looks over the jobs of a run. remedy: what runs jobs anew that have a record, a clause."""

    jobs: Sequence[Job]
    store: Store
    settings: JobSettings
    overwrite: OverwriteStrategy
    remedy: str

    def notes_on_models(self) -> list[str]:
        """Sentences on models that lack density metrics or are not constructed as they were.

        Every model is built once. UsageError if one cannot be, or declares its likelihoods wrongly.
        """
        from mae_bench.job.initial_state import check_models, describe_changes
        from mae_bench.job.likelihoods import describe_unanswered

        constructed, notes = check_models(self.jobs), describe_unanswered(self.jobs)
        if self.overwrite == "always":
            return notes
        return notes + describe_changes(self.jobs, self.store, constructed, self.remedy)

    def notes_on_devices(self, executor: Executor | None) -> list[str]:
        """Sentences on devices that lack the precision that the jobs are to train in; UsageError if it was asked for,
        if steps are to be compiled and this process cannot, or to be recorded as CUDA graphs and a device cannot.

        executor: None if it is not known here. Where devices are not, each job finds out for itself; so do other
        processes about their compiler.
        """
        import torch

        from mae_bench.executors.local import InProcess
        from mae_bench.job.compilation import check_compiler
        from mae_bench.job.cuda_graph import check_cuda_graph
        from mae_bench.job.precision import note_on_precision

        if self.settings.compile and isinstance(executor, InProcess):
            check_compiler(executor.device)
        if self.settings.cuda_graph:
            for device in executor.devices if executor else ():
                check_cuda_graph(torch.device(device), compiled=self.settings.compile)
        to_run = [job for job in self.jobs if kept_record(self.store, job, self.overwrite) is None]
        notes = {
            note_on_precision(
                self.settings.matrix_precision, job.task.protocol(job.preset).training, torch.device(device)
            )
            for job in to_run
            if job.trained is None
            for device in (executor.devices if executor else ())
        }
        return sorted(filter(None, notes))


def executor_here(device: str, slots: int | None = None, timeout_minutes: float | None = None) -> Executor:
    """This process or, for several devices or slots or with a timeout, others on this machine.

    device: a name of torch's, or several with commas; slots: how many jobs at a time. UsageError for a device that is
    not there.
    """
    from mae_bench.executors.local import InProcess, choose_device
    from mae_bench.executors.slots import Slots, plan_slots

    if "," not in device and slots is None and timeout_minutes is None:
        return InProcess(choose_device(device))
    several = "," in device or slots is not None
    return Slots(plan_slots(device, slots if several else 1), timeout_minutes)
