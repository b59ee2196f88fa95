"""The verbs that judge records, verify and compare: parse, call, print. Imports click alone until one is called."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mae_bench.errors import RecordError, UsageError

if TYPE_CHECKING:
    from mae_bench.records.schema import Record
    from mae_bench.task import Task

RERUN_WARNING = (
    "--rerun imports and runs the code that the records name, and that can do whatever you can: let it be code you "
    "have read, or run it where there is nothing to lose."
)

tasks_option = click.option(
    "-t", "--tasks", help="Paths of TOML files, or names: tasks to know beside those that have a name."
)


def tasks_to_judge_by(given: str | None) -> list["Task"]:
    """The tasks of --tasks, and of those that have a name all that are called otherwise."""
    from mae_bench.registry import known_tasks, resolve_tasks

    tasks = resolve_tasks(given) if given else []
    return [*tasks, *(task for task in known_tasks() if task.name not in {own.name for own in tasks})]


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@tasks_option
@click.option("--rerun", is_flag=True, help="Import the models, run the jobs again, and compare. This runs their code.")
@click.option(
    "--model-file",
    "model_files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="For --rerun: the adapter file of models that are neither built in nor installed; may be repeated.",
)
@click.option(
    "--checkpoints",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="For --rerun: the store whose checkpoints are evaluated; the records' own, unless given. A record without a "
    "checkpoint is trained anew.",
)
@click.option("--device", default="auto", show_default=True, help="For --rerun: auto, cpu, cuda, cuda:1.")
@click.pass_context
def verify(
    context: click.Context,
    *,
    paths: tuple[Path, ...],
    tasks: str | None,
    rerun: bool,
    model_files: tuple[Path, ...],
    checkpoints: Path | None,
    device: str,
) -> None:
    """Check records: whether they are whole, of this protocol and data, and possible.

    PATH is a file, or a folder that is searched for records; leaderboard/results unless given. What `submit` refuses is
    refused here by the same sentences. No code of a submission is imported, unless --rerun is given: then every good
    record is evaluated again from its checkpoint, or trained anew, and what agrees is written beside it.
    """
    from mae_bench.records.verify import describe_run
    from mae_bench.records.verify import verify as verify_records

    if not rerun and (model_files or checkpoints):
        raise UsageError("--model-file and --checkpoints are for a rerun; give --rerun too.")
    known = tasks_to_judge_by(tasks)
    result = verify_records(paths or [Path("leaderboard/results")], known)
    for record in result.good:
        click.echo(f"good: {describe_run(record)}: {record.key}.json")
    for fault in result.faults:
        click.echo(f"refused: {fault}", err=True)
    counts = [f"{len(result.good)} good", f"{len(result.faults)} faults"]
    disagreeing = 0
    if rerun:
        disagreeing = _rerun(result.files, known, model_files, checkpoints, device)
        counts += [f"{len(result.good) - disagreeing} verified", f"{disagreeing} not verified"]
    click.echo(", ".join(counts))
    context.exit(1 if result.faults or disagreeing else 0)


def _rerun(
    good: Mapping[Path, "Record"],
    tasks: Sequence["Task"],
    model_files: Sequence[Path],
    checkpoints: Path | None,
    device: str,
) -> int:
    """Run every record's job again, write what agrees, say what does not; the number of records that do not."""
    from mae_bench.executors.local import choose_device
    from mae_bench.records.verification import write_verification
    from mae_bench.records.verify import describe_run
    from mae_bench.report.progress import run_display
    from mae_bench.rerun import checkpoint_of, describe_agreement, rerun_record

    click.echo(RERUN_WARNING, err=True)
    by_name = {task.name: task for task in tasks}
    device, disagreeing = choose_device(device), 0
    with run_display(len(good), sys.stderr) as display:
        for path, record in good.items():
            title = describe_run(record)
            display.start(title)
            try:
                rerun = rerun_record(
                    record,
                    by_name[record.task.name],
                    checkpoint=checkpoint_of(record, path, checkpoints),
                    model_files=model_files,
                    device=device,
                    progress=display.progress,
                )
            except RecordError as error:
                faults = [str(error)]
            else:
                faults = [f"record {path.name}: {words}." for words in rerun.disagreements]
            disagreeing += bool(faults)
            display.end(title, "not verified" if faults else f"verified: {describe_agreement(rerun.verification)}")
            for fault in faults:
                click.echo(f"not verified: {fault}", err=True)
            if not faults:
                click.echo(f"verified: {title}: wrote {write_verification(path, rerun.verification).name}")
    return disagreeing


@click.command()
@click.argument("base", type=click.Path(exists=True, path_type=Path))
@click.argument("head", type=click.Path(exists=True, path_type=Path))
@tasks_option
@click.option("--fail-on-regression", is_flag=True, help="Exit with 1 where a metric is worse, or none is comparable.")
@click.option("--markdown", type=click.Path(dir_okay=False, path_type=Path), help="Write the tables there as Markdown.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write a JUnit XML file there.")
@click.pass_context
def compare(
    context: click.Context,
    *,
    base: Path,
    head: Path,
    tasks: str | None,
    fail_on_regression: bool,
    markdown: Path | None,
    junit: Path | None,
) -> None:
    """Say what got better and what worse from BASE to HEAD, each a record or a folder of records.

    A change counts where it exceeds the tolerance in the task's file and Welch's test over seeds is significant. A
    model that one side lacks is not comparable, and no regression: HEAD may hold some of BASE's models alone.
    """
    from rich.console import Console

    from mae_bench.atomic import write_atomically
    from mae_bench.records.compare import compare as compare_records
    from mae_bench.records.compare import read_side
    from mae_bench.report.comparison import RULE, lay_out_comparisons, render_comparisons, render_junit, summarise
    from mae_bench.report.terminal import print_layout

    comparisons = compare_records(read_side(base), read_side(head), tasks_to_judge_by(tasks))
    console = Console(file=sys.stdout)
    for layout in lay_out_comparisons(comparisons):
        print_layout(layout, console)
    click.echo(RULE)
    click.echo(summarise(comparisons))
    if markdown:
        write_atomically(markdown, render_comparisons(comparisons).encode())
    if junit:
        write_atomically(junit, render_junit(comparisons))
    verdicts = {comparison.verdict for comparison in comparisons}
    if fail_on_regression and verdicts == {"not comparable"}:
        raise RecordError(f"nothing in {base} and {head} could be compared; give records of the same jobs.")
    context.exit(1 if fail_on_regression and "worse" in verdicts else 0)
