"""The badge of a board's row: what somebody other than the author has checked about its numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mae_bench.boards.aggregate import Row
from mae_bench.planning.task import Task
from mae_bench.review.check import check_records
from mae_bench.review.verification import Badge, badge, verification_files


@dataclass(frozen=True)
class Badges:
    """The hashes of the records that have badges. A row has the badge that all of its records have.

    checked: records without a fault (`mae_bench.review.check`). verified: those that a verification confirms.
    """

    checked: frozenset[str] = frozenset()
    verified: frozenset[str] = frozenset()

    def of(self, row: Row) -> Badge | None:
        """The row's badge: "verified", "submitted", or None if one of its records was not checked or is faulty."""
        hashes = {record.record_hash for record in row.records}
        return badge(hashes, self.verified) if hashes and hashes <= self.checked else None


NO_BADGES = Badges()
"""The badges of records that only their author has seen."""


def read_badges(results: Path, tasks: Sequence[Task]) -> Badges:
    """Check every record under `results`, and read the verifications beside them."""

    result = check_records([results], tasks)
    return Badges(frozenset(record.record_hash for record in result.good), result.verified)


def read_verified(results: Path, tasks: Sequence[Task]) -> Badges:
    """The badges for a report that marks only verified rows: without verifications, nothing is checked."""
    return read_badges(results, tasks) if verification_files(results) else NO_BADGES
