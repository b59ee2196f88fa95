"""The basis of the badge "verified": the result of a rerun, in a small file beside its record. Does not import torch.

`<key>.verification.json` says that the job of one record, named by its hash, was evaluated or trained again, on which
machine, and how far each number was off. Its own hash proves that it is intact, not that anybody ran anything: its
worth depends on who put it on the board, so a submission's own verifications are never copied there.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, model_validator

from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.canonical import sha256_of
from mae_bench.foundation.errors import RecordError
from mae_bench.foundation.paths import visible
from mae_bench.foundation.untrusted import load_untrusted
from mae_bench.metrics.catalogue import MetricName
from mae_bench.planning.task import Task
from mae_bench.records.schema import Environment, Finite, Hash, Metric, Record, Section
from mae_bench.records.sealed import check_seal
from mae_bench.records.store import VERIFICATION_SUFFIX
from mae_bench.review.machine import date_faults, environment_faults

Date = Annotated[str, AfterValidator(lambda text: datetime.fromisoformat(text) and text)]
"""A time in UTC, ISO 8601."""
How = Literal["re-evaluated from the checkpoint", "trained anew"]
Badge = Literal["reported", "submitted", "verified"]
BADGES: Mapping[Badge, str] = {
    "reported": "Published elsewhere and cited; not measured with this harness.",
    "submitted": "Measured with this harness by its submitter; files, hashes, protocol and plausibility were checked.",
    "verified": "Every record of the row was also evaluated or trained again by a reviewer, and agreed.",
}
"""Each badge and what it says about a row of a board."""
FAMILY = 3.0
"""How many standard deviations of their difference two honest runs may differ by."""
ROUNDING = 1e-4
"""Relative, for magnitudes above 1: how far float32 may be off on another processor with the same weights and draws."""
REMEDY = "delete it or write it again with `mae-bench verify --rerun`"


class ComparedMetric(Section):
    """One metric of a record and of its rerun, in the metric's unit.

    recorded, found: None if not finite. allowed: the largest difference with which they still agree; None if there is
    nothing to judge by, and then the two are shown but not judged.
    """

    recorded: Finite | None
    found: Finite | None
    difference: Finite | None
    """found - recorded."""
    allowed: Finite | None

    @model_validator(mode="after")
    def _difference_is_that_of_the_two(self) -> Self:
        if self.difference != _difference(self.recorded, self.found):
            raise ValueError("difference must be found - recorded")
        return self

    @property
    def agrees(self) -> bool:
        """Whether neither is finite, or both are and differ by no more than is allowed."""
        if self.recorded is None or self.found is None:
            return self.recorded is self.found
        return self.allowed is None or abs(self.found - self.recorded) <= self.allowed


class Verification(Section):
    """A rerun of one record. `verification_hash` is the SHA-256 of the canonical JSON of the rest."""

    verification_version: Literal[1] = 1
    record_hash: Hash
    how: How
    compared: dict[MetricName, ComparedMetric]
    environment: Environment
    """The machine and software of the rerun."""
    created: Date
    verification_hash: Hash

    @property
    def agrees(self) -> bool:
        """Whether every metric agrees and at least one was judged."""
        judged = any(one.allowed is not None for one in self.compared.values())
        return judged and all(one.agrees for one in self.compared.values())


def compare_with_rerun(record: Record, rerun: Record, how: How, task: Task) -> Verification:
    """Compare the metrics of `record` with those of `rerun`, the same job run again as `how` says.

    A missing metric is treated as not finite, so a metric that only one of them has does not agree. The smaller of the
    two standard errors is used, so that an invented one does not help.
    """
    tolerances = task.tolerances.get(record.preset, {})
    compared = {}
    for name in sorted({*record.metrics, *rerun.metrics}):
        old, new = record.metrics.get(name), rerun.metrics.get(name)
        recorded, found = (None if metric is None else metric.value for metric in (old, new))
        limits = [allowed_difference(metric, how, tolerances.get(name)) for metric in (old, new) if metric]
        compared[name] = {
            "recorded": recorded,
            "found": found,
            "difference": _difference(recorded, found),
            "allowed": min((limit for limit in limits if limit is not None), default=None),
        }
    content = {
        "verification_version": 1,
        "record_hash": record.record_hash,
        "how": how,
        "compared": compared,
        "environment": rerun.environment.model_dump(mode="json"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return Verification.model_validate({**content, "verification_hash": sha256_of(content)})


def allowed_difference(metric: Metric, how: How, tolerance: float | None) -> float | None:
    """The largest difference allowed between `metric` and an honest rerun; None if there is nothing to judge by.

    Re-evaluated from the checkpoint: weights, test bits and draws are the same, and so are the numbers up to the last
    digits. One standard error over test images is allowed for another processor, on which rounding may lead K-Means to
    another optimum; it is less than the uncertainty from the test images themselves. A metric without a standard error,
    the number of active units, must be equal.

    Trained anew: differences in rounding between machines grow during training until the run is like one of another
    seed. The difference of two seeds has the standard deviation sqrt(2) s, and the task's `tolerance` is at least 3 s
    (`mae_bench.boards.compare`), so sqrt(2) times it is allowed. If no tolerance is known for the preset, three
    standard errors of a difference, sqrt(2) stderr each, are used instead; a metric with neither is not judged.
    """
    rounding = ROUNDING * max(1.0, abs(metric.value or 0.0))
    if how == "re-evaluated from the checkpoint":
        return (metric.stderr or 0.0) + rounding
    if tolerance is not None:
        return sqrt(2) * tolerance + rounding
    return None if metric.stderr is None else FAMILY * sqrt(2) * metric.stderr + rounding


def verification_path(record_path: Path) -> Path:
    """The path of the verification of the record at `record_path`, beside it."""
    return record_path.with_name(f"{record_path.stem}{VERIFICATION_SUFFIX}")


def verification_files(folder: Path) -> list[Path]:
    """Every verification file anywhere under `folder`, sorted; not those in dot-folders."""
    return visible(folder, f"**/*{VERIFICATION_SUFFIX}")


def write_verification(record_path: Path, verification: Verification) -> Path:
    """Write `verification` beside the record at `record_path`, whole or not at all, and return its path."""
    path = verification_path(record_path)
    text = json.dumps(verification.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f"{text}\n".encode())
    return path


def read_verification(path: Path) -> Verification:
    """Read an untrusted verification; RecordError is one sentence with the file, the fault and the remedy."""
    content = load_untrusted(path, "verification", REMEDY)
    return check_seal(Verification, content, "verification_hash", what="verification", name=path.name, remedy=REMEDY)


def verification_fault(path: Path, record: Record | None, task: Task | None) -> str | None:
    """Why the file at `path` does not confirm `record`, the record beside it, as a sentence; None if it does."""
    try:
        verification = read_verification(path)
    except RecordError as error:
        return str(error)
    if record is None or task is None:
        return f"verification {path.name} has no good record beside it; delete it or correct the record."
    if verification.record_hash != record.record_hash:
        return f"verification {path.name} is of another record than the one beside it; {REMEDY}."
    if not verification.agrees:
        return f"verification {path.name} does not agree with its record; {REMEDY}."
    if off := next(_contradictions(verification, record, task.tolerances.get(record.preset, {})), None):
        return f"verification {path.name} does not match its record ({off}); {REMEDY}."
    return None


def badge(record_hashes: Iterable[str], verified: frozenset[str]) -> Badge:
    """The badge of a row that was averaged over these records."""
    return "verified" if set(record_hashes) <= verified else "submitted"


def _difference(recorded: float | None, found: float | None) -> float | None:
    return None if recorded is None or found is None else found - recorded


def _contradictions(verification: Verification, record: Record, tolerances: Mapping[str, float]) -> Iterator[str]:
    """Where the file contradicts the record, allows larger differences than the rule, or names no machine or time."""
    yield from environment_faults(verification.environment)
    yield from date_faults(verification.created)
    if set(verification.compared) != set(record.metrics):
        yield "it does not have the same metrics"
        return
    for name, one in verification.compared.items():
        metric = record.metrics[name]
        if one.recorded != metric.value:
            yield f"{name} is recorded as {metric.value}, not {one.recorded}"
        allowed = allowed_difference(metric, verification.how, tolerances.get(name))
        if allowed is not None and (one.allowed is None or one.allowed > allowed):
            yield f"it allows {name} more than {allowed:g}"
