"""What the verbs share: options, the choice of an executor, a run with its display, and its summary.

Imports click alone until a verb is called.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import reduce, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

import click

from mae_bench.foundation.errors import UsageError
from mae_bench.foundation.paths import given_path
from mae_bench.job.settings import JobSettings

if TYPE_CHECKING:
    from mae_bench.executors import Executor
    from mae_bench.planning.task import Task

ARGUMENTS = "mae_bench.arguments"
"""The command line, in the context's `meta`."""
OVERWRITE_OPTION = "--overwrite-strategy"
Function = TypeVar("Function", bound=Callable[..., Any])


class GivenPath(click.Path):
    """The type of every path that a verb takes: a `~` at its beginning is a home folder, also where no shell saw it."""

    def __init__(self, *, exists: bool = False, file_okay: bool = True, dir_okay: bool = True) -> None:
        super().__init__(exists=exists, file_okay=file_okay, dir_okay=dir_okay, path_type=Path)

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        return super().convert(given_path(value), parameter, context)


class Choice(click.Choice[str]):
    """One of a few words; a wrong one is answered with the nearest right one."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        from mae_bench.planning.names import did_you_mean

        if value in self.choices:
            return value
        option = isinstance(parameter, click.Option)
        name = parameter.opts[0] if option and parameter else parameter.human_readable_name if parameter else "it"
        raise UsageError(f"{name} cannot be {value!r}{did_you_mean(value, self.choices, 'words')}")


class GivenModel(GivenPath):
    """The type of a model's code: the path of a file or folder, `path/to/file.py:Class` or `package.module:Class`."""

    name = "path|module:class"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        from mae_bench.planning.adapter_code import FILE

        file = FILE.fullmatch(str(value))
        if file is None and ":" in str(value):
            return value
        path = super().convert(file["path"] if file else value, parameter, context)
        return f"{path}:{file['name']}" if file and file["name"] else path


model_files_option = click.option(
    "--model-file",
    "model_files",
    multiple=True,
    type=GivenModel(exists=True),
    help="The code of models that are neither built in nor installed: path/to/file.py, package.module:Class, or a "
    "folder of files; may be repeated.",
)
tasks_option = click.option(
    "-t", "--tasks", help="Paths of TOML files, or names: tasks to know beside those that have a name."
)
device_option = click.option(
    "--device", default="auto", show_default=True, help="auto (CUDA if there is a GPU), cpu, cuda, cuda:1."
)
output_option = click.option(
    "-o",
    "--output-dir",
    type=GivenPath(file_okay=False),
    default="results",
    show_default=True,
    help="The store: records and checkpoints.",
)
_EXECUTOR_OPTIONS = (
    click.option(
        "--device",
        default="auto",
        show_default=True,
        help="auto (CUDA if there is a GPU), cpu, cuda, cuda:1; several, as in cuda:0,cuda:1, have a process each.",
    ),
    click.option(
        "-j",
        "--jobs",
        "slots",
        type=click.IntRange(min=1),
        help="Run so many jobs at a time, each in a separate process, on the devices in turn.  [default: one, in "
        "this process]",
    ),
    click.option(
        "--executor",
        "executor_name",
        type=Choice(["local", "ray", "slurm"]),
        default="local",
        show_default=True,
        help="local: this machine. ray: a Ray cluster. slurm: a Slurm cluster, by way of its queue.",
    ),
    click.option("--address", help="The address of the Ray cluster.  [default: RAY_ADDRESS, or this machine alone]"),
    click.option(
        "--gpus-per-job",
        type=click.FloatRange(min=0),
        help="On Ray, where 0.25 puts four jobs on a GPU, and on Slurm.  [default: on Ray 1 if the cluster has any, on "
        "Slurm 0]",
    ),
    click.option("--cpus-per-job", type=click.FloatRange(min=0, min_open=True), help="On Ray and Slurm.  [default: 1]"),
    click.option("--partition", help="On Slurm.  [default: that of the cluster]"),
    click.option(
        "--time-minutes",
        type=click.IntRange(min=5),
        help="Slurm's time limit; a job that reaches it is queued again and resumes.  [default: 240]",
    ),
    click.option(
        "--max-running",
        type=click.IntRange(min=1),
        help="The most jobs that Slurm is to run at a time.  [default: all]",
    ),
    click.option(
        "--sbatch",
        metavar="NAME=VALUE",
        multiple=True,
        help="Another option for Slurm's sbatch, as account=vision; may be repeated.",
    ),
    click.option(
        "--timeout",
        "timeout_minutes",
        metavar="MINUTES",
        type=click.FloatRange(min=0, min_open=True),
        help="The most that a job may take, in a separate process; one that takes longer is stopped and has failed.",
    ),
)

_EXECUTORS_OF = {
    "device": ("local",),
    "slots": ("local",),
    "address": ("ray",),
    "gpus_per_job": ("ray", "slurm"),
    "cpus_per_job": ("ray", "slurm"),
    "partition": ("slurm",),
    "time_minutes": ("slurm",),
    "max_running": ("slurm",),
    "sbatch": ("slurm",),
}
"""The executors that an option is for."""


@dataclass(frozen=True)
class ExecutorOptions:
    """Where jobs are to run, as the command line says it."""

    device: str
    slots: int | None
    executor_name: str
    address: str | None
    gpus_per_job: float | None
    cpus_per_job: float | None
    partition: str | None
    time_minutes: int | None
    max_running: int | None
    sbatch: tuple[str, ...]
    timeout_minutes: float | None

    def executor(self) -> "Executor":
        """UsageError for a device or a cluster that is not there, and for an option of another executor."""
        self._refuse_options_of_others()
        if self.executor_name == "ray":
            from mae_bench.executors import ray

            return ray.connect(self.address, self.gpus_per_job, self.cpus_per_job or 1.0, self.timeout_minutes)
        if self.executor_name == "slurm":
            from mae_bench.executors import slurm

            return slurm.connect(
                partition=self.partition,
                time_minutes=self.time_minutes,
                gpus=self.gpus_per_job,
                cpus=self.cpus_per_job,
                max_running=self.max_running,
                sbatch=self.sbatch,
                timeout_minutes=self.timeout_minutes,
            )
        return self._here()

    def check(self) -> "Executor | None":
        """UsageError as from `executor`; but starts and asks no cluster, and then gives None."""
        self._refuse_options_of_others()
        if self.executor_name == "ray":
            from mae_bench.executors import ray

            ray.load_ray()
            return None
        if self.executor_name == "slurm":
            from mae_bench.executors import slurm

            slurm.check_options(self.gpus_per_job, self.cpus_per_job, self.sbatch)
            return None
        return self._here()

    def _refuse_options_of_others(self) -> None:
        for name, executors in _EXECUTORS_OF.items():
            given = getattr(self, name) not in (None, (), "auto")
            if given and self.executor_name not in executors:
                option = "--jobs" if name == "slots" else f"--{name.replace('_', '-')}"
                raise UsageError(
                    f"{option} is for --executor {' or '.join(executors)}, and this is --executor "
                    f"{self.executor_name}; leave the option out, or choose that executor."
                )

    def _here(self) -> "Executor":
        from mae_bench.executors.preparation import executor_here

        return executor_here(self.device, self.slots, self.timeout_minutes)


def takes_executor(function: Function) -> Function:
    """A verb with the options of `ExecutorOptions`, which it gets as its argument `where`."""
    return _gathering("where", ExecutorOptions, _EXECUTOR_OPTIONS)(function)


def takes_job_settings(function: Function) -> Function:
    """A verb with an option for every field of `JobSettings`, which it gets as its argument `settings`."""
    options = []
    for one in fields(JobSettings):
        switch = isinstance(one.default, bool)
        words = [word for word in get_args(one.type) if isinstance(word, str)]
        above_zero = one.metadata["above_zero"]
        options.append(
            click.option(
                f"--{one.name.replace('_', '-')}",
                one.name,
                default=one.default,
                is_flag=switch,
                type=None if switch else Choice(words) if words else click.FloatRange(0, min_open=above_zero),
                show_default=not switch and one.default is not None,
                help=one.metadata["help"],
            )
        )
    return _gathering("settings", JobSettings, options)(function)


def _gathering(name: str, kind: type[Any], options: Sequence[Callable[[Any], Any]]) -> Callable[[Function], Function]:
    """Adds `options` to a verb, and hands their values over as one `kind` in the argument `name`."""

    def decorate(function: Function) -> Function:
        @wraps(function)
        def call(*arguments: Any, **values: Any) -> Any:
            gathered = kind(**{one.name: values.pop(one.name) for one in fields(kind)})
            return function(*arguments, **values, **{name: gathered})

        decorated: Any = reduce(lambda inner, option: option(inner), reversed(options), call)
        return cast(Function, decorated)

    return decorate


def tasks_to_judge_by(given: str | None) -> list["Task"]:
    """The tasks of --tasks, and of those that have a name all that are called otherwise."""
    from mae_bench.planning.registry import known_tasks, resolve_tasks

    tasks = resolve_tasks(given) if given else []
    return [*tasks, *(task for task in known_tasks() if task.name not in {own.name for own in tasks})]
