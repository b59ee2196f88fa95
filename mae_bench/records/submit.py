"""Submission: checked records into a board folder, whose README.md is rendered anew. Does not import torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mae_bench.atomic import write_atomically
from mae_bench.records.aggregate import boards
from mae_bench.records.store import Store
from mae_bench.records.verify import verify
from mae_bench.report.markdown import render_boards
from mae_bench.task import Task

HEADER = """\
# Leaderboard

Every number here is computed from the records under `results/`, one JSON file a job. The verb `submit` of mae-bench
checks a record, copies it there and renders this page anew; the verb `leaderboard` prints the same tables. Do not edit
this page by hand.
"""


@dataclass(frozen=True)
class SubmitResult:
    """What became of a submission: either every record is in `copied`, or there are `refused` ones and nothing changed.

    copied: the records' new paths. refused: one sentence for each fault, with the file, the reason and the remedy.
    """

    copied: tuple[Path, ...]
    refused: tuple[str, ...]


def submit(paths: Sequence[Path], board: Path, tasks: Sequence[Task]) -> SubmitResult:
    """Check the records at `paths` (files, or folders searched through) and copy them to `<board>/results`.

    What is checked is what `verify` checks, with the records on the board in view. One refused record stops the whole
    submission. RecordError where a record already on the board is broken.
    """
    store = Store(board / "results")
    verification = verify(paths, tasks, store.records())
    if verification.faults:
        return SubmitResult((), verification.faults)
    copied = tuple(store.save(record) for record in verification.good)
    render_board_folder(board, tasks)
    return SubmitResult(copied, ())


def render_board_folder(board: Path, tasks: Sequence[Task]) -> Path:
    """Write `<board>/README.md` anew from the records under `<board>/results`, and return its path."""
    page = board / "README.md"
    found = boards(Store(board / "results").records(), tasks)
    write_atomically(page, f"{HEADER}\n{render_boards(found)}".encode())
    return page
