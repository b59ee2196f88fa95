"""The verb that checks records, verify: parse, call, print. Imports click alone until it is called."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mae_bench.cli.shared import GivenPath, device_option, model_files_option, tasks_option, tasks_to_judge_by
from mae_bench.foundation.errors import RecordError, UsageError

if TYPE_CHECKING:
    from mae_bench.planning.task import Task
    from mae_bench.records.schema import Record

RERUN_WARNING = (
    "--rerun imports and runs the code that the records name, which can do whatever you can: read it first, or run it "
    "where there is nothing to lose."
)


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=GivenPath(exists=True))
@tasks_option
@click.option("--rerun", is_flag=True, help="Import the models, run the jobs again, and compare. This runs their code.")
@model_files_option
@click.option(
    "--checkpoints",
    type=GivenPath(exists=True, file_okay=False),
    help="For --rerun: the store whose checkpoints are evaluated; the records' own, unless given. A record without a "
    "checkpoint is trained anew.",
)
@device_option
@click.pass_context
def verify(
    context: click.Context,
    *,
    paths: tuple[Path, ...],
    tasks: str | None,
    rerun: bool,
    model_files: tuple[Path | str, ...],
    checkpoints: Path | None,
    device: str,
) -> None:
    """Check records: whether they are whole, of this protocol and data, and possible.

    PATH is a file, or a folder that is searched for records; leaderboard/results unless given. What `submit` refuses is
    refused here by the same sentences. No code of a submission is imported, unless --rerun is given: then every good
    record is evaluated again from its checkpoint, or trained anew, and what agrees is written beside it.
    """
    from mae_bench.review.check import check_records, describe_run

    if not rerun and (model_files or checkpoints):
        raise UsageError("--model-file and --checkpoints are for a rerun; give --rerun too.")
    known = tasks_to_judge_by(tasks)
    result = check_records(paths or [Path("leaderboard/results")], known)
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
    model_files: Sequence[Path | str],
    checkpoints: Path | None,
    device: str,
) -> int:
    """Run every record's job again, write what agrees, say what does not; the number of records that do not."""
    from mae_bench.executors.local import choose_device
    from mae_bench.job.trained import checkpoint_of
    from mae_bench.report.progress import run_display
    from mae_bench.review.check import describe_run
    from mae_bench.review.rerun import describe_agreement, rerun_record
    from mae_bench.review.verification import write_verification

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
