"""Estimates of how long jobs will take, from the clocks of finished records. Does not import torch."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import fmean

from mae_bench.foundation.errors import RecordError
from mae_bench.planning.plan import Job
from mae_bench.records.schema import Record
from mae_bench.records.store import Store, json_files, read_if_record

PUBLISHED = Path("leaderboard/results")
"""The published board in a checkout: its records are used together with those of the user's store."""

_Place = tuple[str, str, str, str]


def describe_estimate(jobs: Sequence[Job], store: Store) -> str:
    """In words, how long `jobs` take by the records in `store` and on the published board, and how many have none."""
    seconds, without = estimate_seconds(jobs, [*_readable_records(store.root), *_readable_records(PUBLISHED)])
    if without == len(jobs):
        return "no estimate of the time: these models have no finished record on these tasks at this preset"
    left_out = f"; jobs without any record, {without} of {len(jobs)}, are not included" if without else ""
    return f"about {describe_duration(seconds)} by the records of this store and the published board{left_out}"


def estimate_seconds(jobs: Sequence[Job], records: Iterable[Record]) -> tuple[float, int]:
    """The seconds that all jobs take one after another, and the number of jobs left out for lack of records.

    A job is assumed to take the average time of the complete records of its model on its task at its preset, on any
    machine: those with its parameters or, if there are none, those with any parameters. Records of models that were
    trained elsewhere are ignored, since they say nothing about training here.
    """
    seconds: dict[_Place, list[float]] = {}
    for record in records:
        if record.training.status == "complete" and record.trained is None:
            took = record.clocks.training_seconds + record.clocks.evaluation_seconds
            for place in _places(record.model.label, record.model.name, record.task.name, record.preset):
                seconds.setdefault(place, []).append(took)
    known = []
    for job in jobs:
        exact, any_parameters = _places(job.model.label, job.model.name, job.task.name, job.preset)
        if took_all := seconds.get(exact) or seconds.get(any_parameters):
            known.append(fmean(took_all))
    return sum(known), len(jobs) - len(known)


def describe_duration(seconds: float) -> str:
    """The duration in words, rounded: "2 h 10 min", "4 min", "20 s"."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _places(label: str, name: str, task: str, preset: str) -> tuple[_Place, _Place]:
    """The groups that a job belongs to: its model with its parameters, and its model with any."""
    return ("label", label, task, preset), ("name", name, task, preset)


def _readable_records(root: Path) -> Iterator[Record]:
    """The records under `root`, except broken ones, which should not prevent an estimate."""
    for path in json_files(root):
        with suppress(RecordError):
            record = read_if_record(path)
            if record is not None:
                yield record
