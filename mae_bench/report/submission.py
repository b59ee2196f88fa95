"""What `submit` prints: the boards as reviewers will see them, what was checked, and the pull request's commands."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from mae_bench.content import content_folder
from mae_bench.records.schema import Record
from mae_bench.records.store import read_record
from mae_bench.records.submit import RenderedBoard
from mae_bench.records.verification import BADGES
from mae_bench.report.layout import row_label
from mae_bench.sources import file_hash

CHECKED = (
    "Checked: schema and record hash; key, protocol, data and engine version; every number against what is possible; "
    "no other record of the same run. Not checked: that a model was trained and scored as the record says. A reviewer "
    "finds that out by a rerun."
)
WEIGHTS = "A rerun of a model that was trained elsewhere needs its weights: say in the pull request where they are."


def print_submission(copied: Sequence[Path], board: RenderedBoard, out: TextIO) -> None:
    """Print the tables of `board` that the records at `copied` joined, then what comes next."""
    from rich.console import Console

    from mae_bench.report.terminal import print_boards

    submitted = {record.record_hash: record for record in map(read_record, copied)}
    joined = {(record.task.name, record.preset) for record in submitted.values()}
    found = [one for one in board.boards if (one.task, one.preset) in joined]
    print_boards(found, Console(file=out), board.badges)
    print(file=out)
    for one in found:
        for row in (*one.rows, *one.unranked):
            badge = board.badges.of(row)
            if badge and any(record.record_hash in submitted for record in row.records):
                print(f"{row_label(row)}: {badge}. {BADGES[badge]}", file=out)
    print(CHECKED, file=out)
    for path in copied:
        print(f"added {path}", file=out)
    print(f"rendered {board.folder / 'README.md'} and {board.folder / 'index.html'}", file=out)
    print("\n".join(_next_steps(list(submitted.values()), copied, board.folder)), file=out)


def _next_steps(records: Sequence[Record], copied: Sequence[Path], board: Path) -> list[str]:
    """The commands of the pull request and of its reviewers."""
    runs = sorted({(record.task.name, record.preset, record.model.name) for record in records})
    title = "Submit " + ", ".join(" ".join(run) for run in runs)
    branch = "-".join(("submit", *runs[0]))
    folders = sorted({str(path.parent) for path in copied})
    built_in = {file_hash(path) for path in content_folder("baselines").glob("*.py")}
    foreign = sorted({record.model.name for record in records if record.hashes.adapter_source not in built_in})
    file = [
        f"The code of {', '.join(foreign)} is not built in. Reviewers need the very file that was run: put it into",
        f"  {board / 'adapters'}",
    ]
    return [
        *(file if foreign else []),
        *([WEIGHTS] if any(record.trained for record in records) else []),
        "For the pull request:",
        f"  git switch --create {shlex.quote(branch)}",
        f"  git add {shlex.quote(str(board))}",
        f"  git commit --message {shlex.quote(title)}",
        f"  git push --set-upstream origin {shlex.quote(branch)}",
        "Reviewers will run, with --model-file for code, and --tasks for a task, that is not built in:",
        f"  mae-bench verify {shlex.join(folders)} --rerun",
    ]
