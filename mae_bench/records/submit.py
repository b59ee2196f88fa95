"""Submission: checked records into a board folder, whose pages are rendered anew. Does not import torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mae_bench.atomic import write_atomically
from mae_bench.records.aggregate import Board, boards
from mae_bench.records.schema import Record
from mae_bench.records.store import Store
from mae_bench.records.verification import verification_fault, verification_path
from mae_bench.records.verify import verify
from mae_bench.report.badges import Badges, read_badges
from mae_bench.report.html.site import check_site, in_the_way, write_site
from mae_bench.report.markdown import render_boards
from mae_bench.task import Task

PAGE = "README.md"
HEADER = """\
# Leaderboard

Every number here is computed from the records under `results/`, one JSON file a job. The verb `submit` of mae-bench
checks a record, copies it there and renders this page anew; the verb `leaderboard` prints the same tables. Do not edit
this page by hand. The same boards as a site, with plots, with tables that sort and filter, and with a page for each
model, begin at [index.html](index.html): open it in a browser.
"""


@dataclass(frozen=True)
class RenderedBoard:
    """A board's folder as its pages show it."""

    folder: Path
    boards: tuple[Board, ...]
    badges: Badges


@dataclass(frozen=True)
class SubmitResult:
    """What became of a submission: either every record is in `copied`, or there are `refused` ones and nothing changed.

    copied: the records' new paths. refused: one sentence for each fault, with the file, the reason and the remedy.
    board: with the new records; None where any was refused.
    """

    copied: tuple[Path, ...]
    refused: tuple[str, ...]
    board: RenderedBoard | None


def submit(paths: Sequence[Path], board: Path, tasks: Sequence[Task]) -> SubmitResult:
    """Check the records at `paths` (files, or folders searched through) and copy them to `<board>/results`.

    What is checked is what `verify` checks, with the records on the board in view. One refused record stops the whole
    submission. A record replaces the one of its key. A verification of a submitter's own is not copied. RecordError
    where a record already on the board is broken; UsageError where another's file stands in the way of a page. Either
    is found before anything is written.
    """
    store = Store(board / "results")
    present = store.records()
    verification = verify(paths, tasks, present)
    if verification.faults:
        return SubmitResult((), verification.faults, None)
    _check_pages(board, boards([*present, *verification.good], tasks))
    by_name = {task.name: task for task in tasks}
    copied = tuple(_copy(record, store, by_name[record.task.name]) for record in verification.good)
    return SubmitResult(copied, (), render_board_folder(board, tasks))


def _copy(record: Record, store: Store, task: Task) -> Path:
    """Save `record`; a verification that is already there and does not vouch for it, but for another, is removed."""
    path = store.save(record)
    if verification_fault(verification_path(path), record, task):
        verification_path(path).unlink(missing_ok=True)
    return path


def _check_pages(board: Path, found: Sequence[Board]) -> None:
    """UsageError where a file that was not rendered for a board stands in the way of the pages of `found`."""
    page, title = board / PAGE, HEADER.partition("\n")[0]
    if page.exists() and not (page.is_file() and page.read_bytes().startswith(f"{title}\n".encode())):
        raise in_the_way(page)
    check_site(board, found)


def render_board_folder(board: Path, tasks: Sequence[Task]) -> RenderedBoard:
    """Write `<board>/README.md` and the site of `<board>/index.html` anew from the records under `<board>/results`.

    Every record there is checked, once, for its badge. UsageError, before anything is written, where another's file
    stands in the way.
    """
    results = board / "results"
    found = boards(Store(results).records(), tasks)
    _check_pages(board, found)
    badges = read_badges(results, tasks)
    write_atomically(board / PAGE, f"{HEADER}\n{render_boards(found, badges)}".encode())
    write_site(board, found, badges, results)
    return RenderedBoard(board, tuple(found), badges)
