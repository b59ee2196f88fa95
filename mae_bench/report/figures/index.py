"""The folder of figures: images; figures.json, which says what each is drawn from; README.md, rendered from that."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.errors import UsageError
from mae_bench.report.figures import FIGURES
from mae_bench.report.markdown import escape

INDEX, PAGE = "figures.json", "README.md"
HEADER = """\
# Figures

Drawn by `mae-bench figures` from finished records and checkpoints; nothing was trained for them. Each figure names the
records that it is drawn from and the command that made it. Do not edit this page by hand.
"""


class FigureRecord(BaseModel):
    """One record that a figure is drawn from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    seed: int
    key: str


class FigureEntry(BaseModel):
    """What is known of one figure. files: their names, in its folder. left_out: one clause for each model not drawn."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    caption: str
    files: tuple[str, ...]
    records: tuple[FigureRecord, ...]
    left_out: tuple[str, ...]
    command: str


Index = dict[str, FigureEntry]
"""The entries by folder and figure: "mnist-v1-small/tsne"."""


def read_index(output: Path) -> Index:
    """What earlier commands drew into `output` that is still there. UsageError if the index cannot be read."""
    path = output / INDEX
    if not path.exists():
        return {}
    try:
        entries = TypeAdapter(Index).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(f"{path} is not an index of figures; delete it or give another folder by --output.") from error
    return {
        name: entry
        for name, entry in entries.items()
        if all((output / name).with_name(file).exists() for file in entry.files)
    }


def write_index(output: Path, index: Index) -> Path:
    """Write figures.json and README.md anew, by folder and in the order of FIGURES; return the path of README.md."""
    in_order = {name: index[name] for name in sorted(index, key=_order)}
    content = {name: entry.model_dump(mode="json") for name, entry in in_order.items()}
    write_atomically(output / INDEX, f"{json.dumps(content, indent=2, ensure_ascii=False)}\n".encode())
    sections = [_section(name, entry) for name, entry in in_order.items()]
    write_atomically(output / PAGE, "\n".join([HEADER, *sections]).encode())
    return output / PAGE


def _order(name: str) -> tuple[str, int]:
    folder, _, figure = name.rpartition("/")
    return folder, list(FIGURES).index(figure) if figure in FIGURES else len(FIGURES)


def _section(name: str, entry: FigureEntry) -> str:
    """Title, picture, caption, what is not drawn, the command, the records."""
    from tabulate import tabulate

    folder = name.rpartition("/")[0]
    others = ", ".join(f"[{file}]({folder}/{file})" for file in entry.files[1:])
    table = tabulate(
        [(escape(record.model), str(record.seed), record.key) for record in entry.records],
        headers=("model", "seed", "record"),
        tablefmt="pipe",
        disable_numparse=True,
    )
    parts = [
        f"## {escape(entry.title)}",
        f"![{escape(entry.title)}]({folder}/{entry.files[0]})",
        escape(entry.caption) + (f" Also as {others}." if others else ""),
        f"Not drawn: {escape('; '.join(entry.left_out))}." if entry.left_out else "",
        f"Made by `{entry.command}` from",
        table,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
