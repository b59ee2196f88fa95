"""What a board's page says of its preset in plain words, of its newest record, and how to run all of it again."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from mae_bench.boards.aggregate import Board
from mae_bench.foundation.content import content_folder
from mae_bench.planning.task import PRESETS
from mae_bench.report.plots import MOST_ROWS

COMPARABLE = {
    "paper": "The paper's networks and protocol: comparable with published figures.",
    "medium": "Trained until the rate has fallen to a tenth, which nearly converges: differences between models show, "
    "their last nats do not. Near to published figures, but not comparable with them.",
    "small": "Small networks, trained briefly: compare its rows with each other, not with published figures.",
    "smoke": "Tiny networks and one epoch: it shows that everything runs, and nothing about a model.",
}
"""What the numbers of a preset may be compared with; of a preset that is not here, its own author knows."""


def describe_preset(board: Board) -> list[str]:
    """Sentences: how long and on how much was trained, what was scored, with what the numbers compare."""
    known = COMPARABLE.get(board.preset, "Compare its rows with each other; another preset is another protocol.")
    rows = (*board.rows, *board.unranked)
    return [*_sizes(rows[0].records[0].protocol), known] if rows and rows[0].records else [known]


def newest_record(board: Board) -> str | None:
    """The date of the newest record, as YYYY-MM-DD; None if there is no record with a date."""
    dates = [
        found[0]
        for row in (*board.rows, *board.unranked)
        for record in row.records
        if (found := re.match(r"\d{4}-\d\d-\d\d(?=T)", record.created))
    ]
    return max(dates, default=None)


def board_commands(board: Board) -> tuple[list[str], int]:
    """The commands that run the ranked rows of `board` again, one for each set of seeds; how many rows they leave out.

    A row is left out if its model or the task does not come with mae-bench, or it is not among the best `MOST_ROWS`.
    """
    known_task = _is_built_in("tasks", f"{board.task}.toml")
    by_seeds: dict[tuple[int, ...], dict[str, None]] = {}
    rows = board.rows[:MOST_ROWS]
    own = [row for row in rows if known_task and _is_built_in("baselines", f"{row.name}.py")]
    for row in own:
        by_seeds.setdefault(row.seeds, {})[row.label] = None
    job = ("--tasks", board.task, "--preset", board.preset, "--seeds")
    commands = [
        shlex.join(["mae-bench", "run", "--models", ",".join(labels), *job, ",".join(map(str, seeds))])
        for seeds, labels in by_seeds.items()
    ]
    return commands, len(board.rows) - len(own)


def preset_place(preset: str) -> int:
    """0 for the preset whose numbers mean most; presets that mae-bench does not know come last."""
    return PRESETS[::-1].index(preset) if preset in PRESETS else len(PRESETS)


def _is_built_in(folder: str, name: str) -> bool:
    return (content_folder(folder) / name).is_file()


def _sizes(protocol: Mapping[str, Any]) -> list[str]:
    """What the protocol in a record says; a record may come from anybody, so only what is a count is told."""
    epochs, samples = _count(protocol, "training", "max_epochs"), _count(protocol, "density", "importance_samples")
    train = _count(protocol, "subset", "train") or _count(protocol, "data", "train_size")
    test = _count(protocol, "subset", "test") or _count(protocol, "data", "test_size")
    scored = _count(protocol, "density", "test_images") or test
    sentences = []
    if epochs and train:
        sentences.append(f"At most {epochs:,} epoch{'s' * (epochs > 1)} on {train:,} training images.")
    if samples and scored:
        sentences.append(f"The likelihood: {samples:,} importance samples for each of {scored:,} test images.")
    return sentences


def _count(protocol: Mapping[str, Any], section: str, key: str) -> int | None:
    found = protocol.get(section)
    value = found.get(key) if isinstance(found, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
