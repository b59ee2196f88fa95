"""What the verbs share: options, the choice of an executor, a run with its display, and its summary.

Imports click alone until a verb is called.
"""

import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import reduce, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

import click

from mae_bench.executors import OverwriteStrategy
from mae_bench.foundation.errors import UsageError
from mae_bench.foundation.paths import given_path
from mae_bench.job.settings import JobSettings

if TYPE_CHECKING:
    from mae_bench.executors import Executor
    from mae_bench.executors.run import RunSummary
    from mae_bench.planning.plan import Job
    from mae_bench.planning.task import Task
    from mae_bench.records.store import Store

ARGUMENTS = "mae_bench.arguments"
"""The command line, in the context's `meta`."""
PROGRAM = "mae-bench"
OVERWRITE_OPTION = "--overwrite-strategy"
SECONDS_TO_END = 9.5
"""From a signal to the end of this process; those of the jobs take `interruption.GRACE_SECONDS` of them."""
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


model_files_option = click.option(
    "--model-file",
    "model_files",
    multiple=True,
    type=GivenPath(exists=True, dir_okay=False),
    help="The adapter file of models that are neither built in nor installed; may be repeated.",
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
        type=Choice(["local", "ray"]),
        default="local",
        show_default=True,
        help="local: this machine. ray: a Ray cluster.",
    ),
    click.option("--address", help="The address of the Ray cluster.  [default: RAY_ADDRESS, or this machine alone]"),
    click.option(
        "--gpus-per-job",
        type=click.FloatRange(min=0),
        help="On Ray; 0.25 puts four jobs on a GPU.  [default: 1 if the cluster has any]",
    ),
    click.option("--cpus-per-job", type=click.FloatRange(min=0, min_open=True), help="On Ray.  [default: 1]"),
    click.option(
        "--timeout",
        "timeout_minutes",
        metavar="MINUTES",
        type=click.FloatRange(min=0, min_open=True),
        help="The most that a job may take, in a separate process; one that takes longer is stopped and has failed.",
    ),
)


@dataclass(frozen=True)
class ExecutorOptions:
    """Where jobs are to run, as the command line says it."""

    device: str
    slots: int | None
    executor_name: str
    address: str | None
    gpus_per_job: float | None
    cpus_per_job: float | None
    timeout_minutes: float | None

    def executor(self) -> "Executor":
        """UsageError for a device or a cluster that is not there, and for an option of another executor."""
        if self.executor_name == "ray":
            from mae_bench.executors.ray import connect

            self._check_options_of_ray()
            return connect(self.address, self.gpus_per_job, self.cpus_per_job or 1.0, self.timeout_minutes)
        return self._here()

    def check(self) -> "Executor | None":
        """UsageError as from `executor`; but starts and asks no cluster, and then gives None."""
        if self.executor_name == "ray":
            from mae_bench.executors.ray import load_ray

            self._check_options_of_ray()
            load_ray()
            return None
        return self._here()

    def _check_options_of_ray(self) -> None:
        if self.slots is not None or self.device != "auto":
            raise UsageError("--jobs and --device are for this machine; with --executor ray, give --gpus-per-job.")

    def _here(self) -> "Executor":
        from mae_bench.executors.preparation import executor_here

        if (self.address, self.gpus_per_job, self.cpus_per_job) != (None, None, None):
            raise UsageError("--address, --gpus-per-job and --cpus-per-job are for a Ray cluster; add --executor ray.")
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


def run_and_report(
    context: click.Context,
    jobs: "Sequence[Job]",
    store: "Store",
    executor: "Executor",
    settings: JobSettings,
    *,
    overwrite: OverwriteStrategy = "only-missing",
    exit_on_error: bool = False,
) -> None:
    """Run `jobs`, show how they get on, then their boards and what became of them; end with the status of the run.

    Why a job failed is said in the summary alone, or before the advice where the run is interrupted.
    """
    from mae_bench.executors.local import InProcess
    from mae_bench.executors.run import RunSummary, run_jobs
    from mae_bench.foundation import interruption
    from mae_bench.report.jobs import jobs_display
    from mae_bench.report.progress import run_display

    one_process = isinstance(executor, InProcess)
    display = run_display(len(jobs), sys.stderr) if one_process else jobs_display(jobs, store, sys.stderr)
    command = command_to_resume(context.meta[ARGUMENTS], overwrite)
    advice = f"interrupted; this resumes from the last checkpoints:\n  {command}\n"
    summary = RunSummary()
    try:
        with interruption.stops_on_signals(SECONDS_TO_END, advice), display as report:
            run_jobs(
                jobs,
                store,
                executor,
                settings,
                overwrite=overwrite,
                exit_on_error=exit_on_error,
                report=report,
                summary=summary,
            )
    except KeyboardInterrupt as error:
        _print_failures(summary, err=True)
        click.echo(advice, err=True, nl=False)
        context.exit(getattr(error, "exit_status", 130))
    try:
        _print_boards(store, [job for job, _ in summary.done + summary.cached])
    finally:
        _print_summary(summary, command, overwrite)
    context.exit(1 if summary.failed else 0)


def command_to_resume(arguments: "Sequence[str]", strategy: OverwriteStrategy) -> str:
    """The command that resumes a run with those arguments: without the option that begins everything anew."""
    command = [own_name()]
    words = iter(arguments)
    for word in words:
        if strategy == "always" and word.partition("=")[0] == OVERWRITE_OPTION:
            if word == OVERWRITE_OPTION:
                next(words, None)  # its value
        else:
            command.append(word)
    return shlex.join(command)


def own_name() -> str:
    """How this program is called in the shell that it was called from: by its path where no PATH leads to it."""
    called = Path(sys.argv[0])
    if called.name != PROGRAM or shutil.which(PROGRAM):
        return PROGRAM
    return str(called.relative_to(Path.cwd()) if called.is_relative_to(Path.cwd()) else called)


def _print_boards(store: "Store", jobs: "Sequence[Job]") -> None:
    """The boards that these jobs have a record on."""
    if not jobs:
        return
    from rich.console import Console

    from mae_bench.boards.aggregate import boards
    from mae_bench.report.terminal import print_boards

    tasks = {job.task.name: job.task for job in jobs}
    places = {(job.task.name, job.preset) for job in jobs}
    found = boards(store.records(), list(tasks.values()))
    print_boards([board for board in found if (board.task, board.preset) in places], Console(file=sys.stdout))


def _print_summary(summary: "RunSummary", command: str, strategy: OverwriteStrategy) -> None:
    """What is doubted or failed and why, the counts, and the command that retries: the last lines of a run."""
    from mae_bench.boards.doubt import doubt_about

    for job, record in summary.done:
        if doubt := doubt_about(record, job.task):
            click.echo(f"{doubt.kind}: {job.title}: {doubt.reason}; its record is shown and not ranked.")
    _print_failures(summary)
    click.echo(f"{len(summary.done)} done, {len(summary.cached)} cached, {len(summary.failed)} failed")
    if summary.failed or (summary.partial and strategy != "never"):
        click.echo(f"to run the failed jobs again and resume the partial ones:\n  {command}")


def _print_failures(summary: "RunSummary", *, err: bool = False) -> None:
    for job, sentence in summary.failed:
        click.echo(f"failed: {job.title}: {sentence}", err=err)
