"""Submission: records are checked and copied into a board's folder, its pages are rendered, and the author is told."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from mae_bench.boards.aggregate import Board, boards
from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.content import content_folder
from mae_bench.foundation.paths import visible
from mae_bench.planning.adapter_code import code_hash_of_file
from mae_bench.planning.task import Task
from mae_bench.records.pictures import read_pictures, replace_pictures
from mae_bench.records.schema import Record
from mae_bench.records.store import Store
from mae_bench.report.html.pages import INDEX
from mae_bench.report.html.site import check_site, in_the_way, write_site
from mae_bench.report.layout import row_label
from mae_bench.report.markdown import render_boards
from mae_bench.review.badges import Badges, read_badges
from mae_bench.review.check import check_records
from mae_bench.review.verification import BADGES, verification_fault, verification_path

PAGE = "README.md"
HEADER = """\
# Leaderboard

Every number here is computed from the records under `results/`, one JSON file a job. The verb `submit` checks a
record, copies it there and renders this page anew; the verb `leaderboard` prints the same tables. Do not edit this
page by hand. To see the same boards as a site, with plots, tables that sort and filter, and a page for each model, open
[index.html](index.html) in a browser.
"""
CHECKED = (
    "Checked: schema and record hash; key, protocol, data and engine version; every number against what is possible; "
    "no other record of the same run. Not checked: that a model was trained and scored as the record says. A reviewer "
    "finds that out by a rerun."
)
WEIGHTS = "A rerun of a model that was trained elsewhere needs its weights: say in the pull request where they are."


@dataclass(frozen=True)
class RenderedBoard:
    """A board's folder as its pages show it."""

    folder: Path
    boards: tuple[Board, ...]
    badges: Badges


@dataclass(frozen=True)
class SubmitResult:
    """What became of a submission: either all of its records are in `copied`, or some are refused and nothing changed.

    copied: the records by their new paths. refused: one sentence for each fault, with the file, the reason and the
    remedy. board: with the new records; None if any was refused. left_out: a sentence for each picture that was not
    copied with its record.
    """

    copied: Mapping[Path, Record]
    refused: tuple[str, ...]
    board: RenderedBoard | None
    left_out: tuple[str, ...] = ()


def submit(paths: Sequence[Path], board: Path, tasks: Sequence[Task]) -> SubmitResult:
    """Check the records at `paths` (files, or folders that are searched) and copy them to `<board>/results`.

    They are checked as `mae-bench verify` does it, and against the records on the board. One refused record stops the
    whole submission. A record replaces the one of its key. The pictures beside a record are written anew beside its
    copy (`mae_bench.records.pictures`). A submitter's own verifications are not copied. RecordError if a record that is
    already on the board is broken, UsageError if somebody else's file stands in the way of a page: both before anything
    is written.
    """
    store = Store(board / "results")
    present = store.records()
    checked = check_records(paths, tasks, present)
    if checked.faults:
        return SubmitResult({}, checked.faults, None)
    _check_pages(board, boards([*present, *checked.good], tasks))
    by_name = {task.name: task for task in tasks}
    shown = {record.record_hash for record in present}
    copied: dict[Path, Record] = {}
    left_out: list[str] = []
    for file, record in checked.files.items():
        pictures, faults = read_pictures(file)  # before the copy, which may be the same file
        path = _copy(record, store, by_name[record.task.name])
        if pictures or faults or record.record_hash not in shown:
            replace_pictures(path, {kind: picture.content for kind, picture in pictures.items()})
        copied[path] = record
        left_out += faults
    return SubmitResult(copied, (), render_board_folder(board, tasks), tuple(left_out))


def render_board_folder(board: Path, tasks: Sequence[Task]) -> RenderedBoard:
    """Write `<board>/README.md` and the site of `<board>/index.html` anew from the records under `<board>/results`.

    Every record there is checked once, for its badge. UsageError, before anything is written, if somebody else's file
    stands in the way.
    """
    results = board / "results"
    records, badges = Store(results).records(), read_badges(results, tasks)
    found = boards(records, tasks, badges.verified)
    _check_pages(board, found)
    write_atomically(board / PAGE, f"{HEADER}\n{render_boards(found, badges)}".encode())
    write_site(board, found, badges, results)
    return RenderedBoard(board, tuple(found), badges)


def print_submission(copied: Mapping[Path, Record], board: RenderedBoard, out: TextIO) -> None:
    """Print the tables of `board` that the records `copied` joined, their badges, and what their author does next."""
    from rich.console import Console

    from mae_bench.report.terminal import print_boards

    submitted = {record.record_hash for record in copied.values()}
    joined = {(record.task.name, record.preset) for record in copied.values()}
    found = [one for one in board.boards if (one.task, one.preset) in joined]
    print_boards(found, Console(file=out), board.badges)
    lines = [""]
    for one in found:
        for row in (*one.rows, *one.unranked):
            badge = board.badges.of(row)
            if badge and any(record.record_hash in submitted for record in row.records):
                lines.append(f"{row_label(row)}: {badge}. {BADGES[badge]}")
    lines += [CHECKED, *(f"added {path}" for path in copied)]
    lines.append(f"rendered {board.folder / PAGE} and {board.folder / INDEX}")
    print("\n".join([*lines, *_next_steps(copied, board.folder)]), file=out)


def _check_pages(board: Path, found: Sequence[Board]) -> None:
    """UsageError if a file that was not rendered for a board stands in the way of the pages of `found`."""
    page, title = board / PAGE, HEADER.partition("\n")[0]
    if page.exists() and not (page.is_file() and page.read_bytes().startswith(f"{title}\n".encode())):
        raise in_the_way(page)
    check_site(board, found)


def _copy(record: Record, store: Store, task: Task) -> Path:
    """Save `record`, and remove a verification that is already there unless it vouches for this very record."""
    path = store.save(record)
    if verification_fault(verification_path(path), record, task):
        verification_path(path).unlink(missing_ok=True)
    return path


def _next_steps(copied: Mapping[Path, Record], board: Path) -> list[str]:
    """What the pull request needs, its commands, and those of its reviewers."""
    records = copied.values()
    runs = sorted({(record.task.name, record.preset, record.model.name) for record in records})
    title = "Submit " + ", ".join(" ".join(run) for run in runs)
    branch = "-".join(("submit", *runs[0]))
    folders = sorted({str(path.parent) for path in copied})
    built_in = {code_hash_of_file(path) for path in visible(content_folder("baselines"), "*.py")}
    foreign = sorted({record.model.name for record in records if record.hashes.adapter_source not in built_in})
    code = [
        f"The code of {', '.join(foreign)} is not built in. Reviewers need the very file that was run, and those of",
        "its folder or package that it imports, in the same folders: put them into",
        f"  {board / 'adapters'}",
    ]
    return [
        *(code if foreign else []),
        *([WEIGHTS] if any(record.trained for record in records) else []),
        "For the pull request:",
        f"  git switch --create {shlex.quote(branch)}",
        f"  git add {shlex.quote(str(board))}",
        f"  git commit --message {shlex.quote(title)}",
        f"  git push --set-upstream origin {shlex.quote(branch)}",
        "Reviewers will run this, with --model-file for code and --tasks for a task that is not built in:",
        f"  mae-bench verify {shlex.join(folders)} --rerun",
    ]
