"""Run what the published boards lack, and publish it: `make published`.

Jobs train two at a time with a thread each, in the order below, which is useful wherever it stops.
Each is rerun from its checkpoint as soon as it is done, and only a record that agrees goes on the board. Records and
checkpoints are in results/, so that a run which was stopped goes on where it was when it is started again.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from mae_bench.cli.running import SECONDS_TO_END
from mae_bench.executors import JobResult
from mae_bench.executors.local import choose_device
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
PUBLISHED = "published"
"""How the sentence about a job begins whose record is on the board."""
FIRST = "vlae,resnet_vae,mae"
MORE = "mae[diversity=mean],vlae[free_bits=0]"
GRID = "mae[eta=[0.5,1.0,2.0],gamma=[0.1,0.5,1.0]]"
ON_BITS = "vae,iwae,beta_vae,infovae,vampprior,lvae,dvae,sa_vae"
ON_BOTH = "iaf_vae,real_nvp,pixelcnn,gated_pixelcnn,pixelrnn,conv_draw,vdvae,pixelcnn_pp,pixelsnail"


class Part(NamedTuple):
    """Models as written for `run`."""

    preset: str
    models: str
    task: str
    seeds: Sequence[int]


PARTS: Sequence[Part] = (
    Part("medium", f"{FIRST},{MORE}", "mnist", (0,)),
    Part("small", f"{ON_BITS},{ON_BOTH},iaf_vae[steps=0],iaf_vae[objective=mae]", "digits", (0, 1, 2)),
    Part("small", f"{ON_BITS},{ON_BOTH}", "mnist", (0,)),
    Part("medium", f"{FIRST},{MORE}", "mnist", (1, 2)),
    Part("medium", f"{FIRST},{MORE}", "digits", (0, 1, 2)),
    Part("small", f"{ON_BITS},{ON_BOTH}", "mnist", (1, 2)),
    Part("small", f"{ON_BOTH},gmm", "cifar10", (0, 1, 2)),
    Part("small", f"{ON_BITS},{ON_BOTH}", "omniglot_lake", (0, 1, 2)),
    Part("medium", f"{ON_BITS},{ON_BOTH}", "mnist", (0,)),
    Part("medium", GRID, "mnist", (0,)),
    Part("medium", f"{FIRST},{MORE}", "omniglot_lake", (0, 1, 2)),
    Part("medium", FIRST, "cifar10", (0, 1, 2)),
    Part("medium", GRID, "mnist", (1, 2)),
)
"""Most useful first."""


def lacking(published: Store) -> list[Job]:
    """The jobs of `PARTS` that have no complete record there, in their order, each once."""
    jobs = [
        job
        for part in PARTS
        for job in plan(resolve_models(part.models), resolve_tasks(part.task), part.preset, part.seeds)
    ]
    once = {job.key: job for job in jobs}.values()
    return [job for job in once if kept_record(published, job, "only-missing") is None]


def run_lacking(board: Path, store: Store) -> Iterator[str]:
    """Run and publish what `board` lacks; a sentence about each job as it ends."""
    jobs = lacking(Store(board / "results"))
    waiting, to_show = [], False
    for job in jobs:
        record = kept_record(store, job, "only-missing")  # finished earlier, and not yet published
        if record is None:
            waiting.append(job)
        else:
            sentence = publish(JobResult(job, record, 0.0), store, board)
            to_show = to_show or sentence.startswith(PUBLISHED)
            yield sentence
    if to_show:  # once for all of them, since drawing the pages takes as long as a rerun
        render_board_folder(board, known_tasks())
    with jobs_display(waiting, store, sys.stderr) as report:
        executor = Slots(plan_slots("auto", 2))
        with closing(executor.run(waiting, store, JobSettings(), report)) as results:
            for result in results:
                report.end(result.job.title, "failed" if isinstance(result.outcome, str) else "done")
                sentence = publish(result, store, board)
                if sentence.startswith(PUBLISHED):
                    render_board_folder(board, known_tasks())
                yield sentence


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
            device="cpu" if record.environment.device == "cpu" else choose_device("auto"),
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
    return f"{PUBLISHED}: {job.title}: {describe_agreement(rerun.verification)}"


def main() -> int:
    """Exit status 1 if a job failed or was not published, 130 if interrupted."""
    good = True
    advice = "interrupted; make published goes on from the last checkpoints\n"
    try:
        with interruption.stops_on_signals(SECONDS_TO_END, advice):
            for sentence in run_lacking(BOARD, Store(Path("results").absolute())):
                print(sentence, flush=True)
                good = good and sentence.startswith(PUBLISHED)
    except KeyboardInterrupt as error:
        print(advice, end="", file=sys.stderr)
        return int(getattr(error, "exit_status", 130))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
