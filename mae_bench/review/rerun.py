"""Runs the jobs of records again, in temporary folders, and compares the results. Imports and runs submitted code."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from mae_bench.adapter import Progress
from mae_bench.foundation.errors import MaeBenchError, RecordError, describe
from mae_bench.foundation.text import quoted
from mae_bench.job.checkpoint import MODEL_FILE, load_checkpoint, save_checkpoint
from mae_bench.job.execute import execute
from mae_bench.job.isolation import isolated
from mae_bench.job.trained import find_model, training_job
from mae_bench.job.training_state import TrainingOutcome
from mae_bench.planning.plan import Job
from mae_bench.planning.task import Task
from mae_bench.records.schema import Record
from mae_bench.review.verification import ComparedMetric, How, Verification, compare_with_rerun


@dataclass(frozen=True)
class Rerun:
    """The result of a rerun. disagreements: one clause for each, in words; none if the record is verified."""

    verification: Verification
    disagreements: tuple[str, ...]


def rerun_record(
    record: Record,
    task: Task,
    *,
    checkpoint: Path | None,
    model_files: Sequence[Path | str],
    device: str,
    progress: Progress,
) -> Rerun:
    """Evaluate the weights of `checkpoint` by the protocol of `record`, or train again if that is None, and compare.

    Only code with the hash of the record is imported (`mae_bench.job.trained.find_model`). Beside the record, nothing
    is written and only the weights are read. RecordError if the job cannot be run again.
    """
    if record.training.status == "partial":
        raise RecordError(
            f"record {record.key}.json is partial ({quoted(record.training.reason)}), "
            "and a rerun would not stop where it did; run its job to the end and verify that record."
        )
    model = find_model(record, model_files)
    trained = training_job(record, model) if record.trained else None
    if trained and checkpoint is None:
        raise RecordError(
            f"record {record.key}.json is of a model that was trained elsewhere; give the store that has its "
            "checkpoint with --checkpoints."
        )
    job = Job(model, task, record.preset, record.seed, trained)
    how: How = "trained anew" if checkpoint is None else "re-evaluated from the checkpoint"
    try:
        again = _execute(job, record, checkpoint, device, progress)
    except MaeBenchError as error:
        raise RecordError(f"record {record.key}.json could not be {how}: {error}") from error
    except Exception as error:
        raise RecordError(
            f"record {record.key}.json could not be {how} ({quoted(describe(error))}); "
            "run it where its model runs, with the weights it was measured with."
        ) from error
    verification = compare_with_rerun(record, again, how, task)
    return Rerun(verification, tuple(_disagreements(record, again, verification)))


def _execute(job: Job, record: Record, checkpoint: Path | None, device: str, progress: Progress) -> Record:
    with tempfile.TemporaryDirectory() as folder, isolated(threads=record.environment.threads):
        working_directory = Path(folder)
        if checkpoint is not None:
            _copy_weights(checkpoint, record, working_directory / MODEL_FILE)
        return execute(job, working_directory=working_directory, device=device, progress=progress)


def _copy_weights(checkpoint: Path, record: Record, path: Path) -> None:
    """Copy the weights to `path` as those of finished training. The rest of the file is untrusted and not read."""
    fitted = load_checkpoint(checkpoint)
    assert fitted is not None, "it was there a moment ago"
    section = record.training.model_dump(mode="json", exclude={"parameters"})
    threads = torch.get_num_threads()
    outcome = TrainingOutcome(**section, seconds=record.clocks.training_seconds, threads=threads)
    save_checkpoint(path, fitted[0], asdict(outcome))


def _disagreements(record: Record, again: Record, verification: Verification) -> Iterator[str]:
    for words, recorded, found in (
        ("validation bits are", record.hashes.validation_bits, again.hashes.validation_bits),
        ("test bits are", record.hashes.test_bits, again.hashes.test_bits),
        ("number of parameters is", record.training.parameters, again.training.parameters),
        ("broken laws are", "; ".join(record.broken_laws) or "none", "; ".join(again.broken_laws) or "none"),
    ):
        if recorded != found:
            yield f"the {words} {recorded} in the record and {found} in the rerun"
    for name, one in verification.compared.items():
        if not one.agrees:
            yield f"{name} {_difference(one)}"


def _difference(one: ComparedMetric) -> str:
    recorded, found = ("no number" if value is None else f"{value:.6g}" for value in (one.recorded, one.found))
    allowed = (
        "" if one.difference is None else f", a difference of {one.difference:.3g}, but {one.allowed:.3g} is allowed"
    )
    return f"is {recorded} in the record and {found} in the rerun{allowed}"


def describe_agreement(verification: Verification) -> str:
    """A clause: "trained anew, 20 metrics agree, 1 not judged; the largest difference is 40 % of what is allowed"."""
    judged = [one for one in verification.compared.values() if one.allowed is not None]
    shares = [abs(one.difference or 0.0) / one.allowed for one in judged if one.allowed]
    others = len(verification.compared) - len(judged)
    unjudged = f", {others} not judged" if others else ""
    return (
        f"{verification.how}, {len(judged)} metrics agree{unjudged}; "
        f"the largest difference is {100 * max(shares, default=0.0):.2g} % of what is allowed"
    )
