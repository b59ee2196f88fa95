"""Which badge a row of a board bears: what of its numbers somebody other than their author has checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mae_bench.boards.aggregate import Row
from mae_bench.planning.task import Task
from mae_bench.review.check import check_records
from mae_bench.review.verification import Badge, badge, verification_files


@dataclass(frozen=True)
class Badges:
    """The hashes of the records that bear badges. A row bears the badge that all of its records bear.

    checked: records without a fault (`mae_bench.review.check`). verified: those for which a verification vouches.
    """

    checked: frozenset[str] = frozenset()
    verified: frozenset[str] = frozenset()

    def of(self, row: Row) -> Badge | None:
        """ "verified", "submitted", or None where a record of the row was not checked or is faulty."""
        hashes = {record.record_hash for record in row.records}
        return badge(hashes, self.verified) if hashes and hashes <= self.checked else None


NO_BADGES = Badges()
"""For records that nobody but their author has seen."""


def read_badges(results: Path, tasks: Sequence[Task]) -> Badges:
    """Check every record under `results`, and read the verifications beside them."""

    result = check_records([results], tasks)
    return Badges(frozenset(record.record_hash for record in result.good), result.verified)


def read_verified(results: Path, tasks: Sequence[Task]) -> Badges:
    """For a report that marks verified rows alone: nothing is checked where nothing is verified."""
    return read_badges(results, tasks) if verification_files(results) else NO_BADGES
