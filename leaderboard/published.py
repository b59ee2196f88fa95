"""Run what the published boards lack, and publish it: `make published`.

Jobs train at preset medium, two at a time with a thread each, in the order below, which is useful wherever it stops.
Each is rerun from its checkpoint as soon as it is done, and only a record that agrees goes on the board. Records and
checkpoints are in results/, so that a run which was stopped goes on where it was when it is started again.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from mae_bench.cli.running import SECONDS_TO_END
from mae_bench.executors import JobResult
from mae_bench.executors.run import kept_record
from mae_bench.executors.slots import Slots, plan_slots
from mae_bench.foundation import interruption
from mae_bench.foundation.errors import RecordError
from mae_bench.job.settings import JobSettings
from mae_bench.job.trained import checkpoint_of
from mae_bench.planning.plan import Job, plan
from mae_bench.planning.registry import known_tasks, resolve_models, resolve_tasks
from mae_bench.records.store import Store
from mae_bench.report.jobs import jobs_display
from mae_bench.report.submission import render_board_folder, submit
from mae_bench.review.rerun import Rerun, describe_agreement, rerun_record
from mae_bench.review.verification import write_verification

BOARD = Path(__file__).parent
PRESET = "medium"
FIRST = "vlae,resnet_vae,mae"
MORE = "mae[diversity=mean],vlae[free_bits=0]"
GRID = "mae[eta=[0.5,1.0,2.0],gamma=[0.1,0.5,1.0]]"
PARTS: Sequence[tuple[str, str, Sequence[int]]] = (
    (f"{FIRST},{MORE}", "mnist", (0,)),
    (f"{FIRST},{MORE}", "mnist", (1, 2)),
    (f"{FIRST},{MORE}", "digits", (0, 1, 2)),
    (GRID, "mnist", (0,)),
    (f"{FIRST},{MORE}", "omniglot_lake", (0, 1, 2)),
    (FIRST, "cifar10", (0, 1, 2)),
    (GRID, "mnist", (1, 2)),
)
"""Models as written for `run`, task and seeds, most useful first."""


def lacking(published: Store) -> list[Job]:
    """The jobs of `PARTS` that have no complete record there, in their order, each once."""
    jobs = [
        job for models, task, seeds in PARTS for job in plan(resolve_models(models), resolve_tasks(task), PRESET, seeds)
    ]
    once = {job.key: job for job in jobs}.values()
    return [job for job in once if kept_record(published, job, "only-missing") is None]


def run_lacking(board: Path, store: Store) -> Iterator[str]:
    """Run and publish what `board` lacks; a sentence about each job as it ends."""
    jobs = lacking(Store(board / "results"))
    waiting = []
    for job in jobs:
        record = kept_record(store, job, "only-missing")  # finished earlier, and not yet published
        if record is None:
            waiting.append(job)
        else:
            yield publish(JobResult(job, record, 0.0), store, board)
    with jobs_display(waiting, store, sys.stderr) as report:
        executor = Slots(plan_slots("auto", 2))
        with closing(executor.run(waiting, store, JobSettings(), report)) as results:
            for result in results:
                report.end(result.job.title, "failed" if isinstance(result.outcome, str) else "done")
                yield publish(result, store, board)


def publish(result: JobResult, store: Store, board: Path) -> str:
    """Rerun the record of `result` from its checkpoint, and put it on the board if it agrees; what became of it."""
    job, record = result.job, result.outcome
    if isinstance(record, str):
        return f"failed: {job.title}: {record}"
    path = store.path_of(record)
    try:
        rerun: Rerun = rerun_record(
            record,
            job.task,
            checkpoint=checkpoint_of(record, path, None),
            model_files=(),
            device="cpu" if record.environment.device == "cpu" else "cuda",
            progress=lambda *_: None,
        )
    except RecordError as error:
        return f"not published: {job.title}: {error}"
    if rerun.disagreements:
        return f"not published: {job.title}: {'; '.join(rerun.disagreements)}"
    tasks = known_tasks()
    submitted = submit([path], board, tasks)
    for published in submitted.copied:
        write_verification(published, rerun.verification)
    if submitted.refused:
        return f"refused: {'; '.join(submitted.refused)}"
    render_board_folder(board, tasks)
    return f"published: {job.title}: {describe_agreement(rerun.verification)}"


def main() -> int:
    """Exit status 1 if a job failed or was not published, 130 if interrupted."""
    good = True
    advice = "interrupted; make published goes on from the last checkpoints\n"
    try:
        with interruption.stops_on_signals(SECONDS_TO_END, advice):
            for sentence in run_lacking(BOARD, Store(Path("results").absolute())):
                print(sentence, flush=True)
                good = good and sentence.startswith("published")
    except KeyboardInterrupt as error:
        print(advice, end="", file=sys.stderr)
        return int(getattr(error, "exit_status", 130))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
