"""Why a record stands apart until somebody else has looked at it. Does not import torch."""

from typing import Literal, NamedTuple

from mae_bench.metrics.catalogue import metric_kind
from mae_bench.planning.task import Task
from mae_bench.records.schema import Record


class Doubt(NamedTuple):
    """kind: how boards call it; reason: a clause."""

    kind: Literal["breaks a law", "implausible"]
    reason: str


def doubt_about(record: Record, task: Task | None, verified: frozenset[str] = frozenset()) -> Doubt | None:
    """Why `record` is not ranked, although it was measured as the board asks; None if nothing speaks against it.

    What its own run found (`Record.broken_laws`) is never cleared. A value beyond all that was ever published
    (`[plausible]` in the task's file) is, once a reviewer has rerun the record; verified: the hashes of such records.
    """
    if record.broken_laws:
        return Doubt("breaks a law", "; ".join(record.broken_laws))
    if task is None or record.record_hash in verified:
        return None
    for name, bound in task.plausible.items():
        kind, measured = metric_kind(name), record.metrics.get(name)
        if measured is None or measured.value is None:
            continue
        lead = bound.best - measured.value if kind.direction == "lower" else measured.value - bound.best
        if lead > bound.margin:
            return Doubt(
                "implausible",
                f"its {kind.title} of {measured.value:.{kind.decimals}f} beats the best that was published, "
                f"{bound.best:g} ({bound.citation}), by more than {bound.margin:g}: implausible until a reviewer has "
                "rerun it",
            )
    return None
