"""Boards -> figures: draws what can be drawn, says what cannot be and why, and writes the folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mae_bench.boards.aggregate import boards
from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.task import Task
from mae_bench.records.schema import Record
from mae_bench.report.figures.drawing import DPI, SETTINGS, Drawing, NothingToDraw
from mae_bench.report.figures.index import FigureEntry, FigureRecord, read_index, write_index
from mae_bench.report.figures.latent import draw_tsne
from mae_bench.report.figures.lines import draw_kl_score, draw_nll_samples, draw_training
from mae_bench.report.figures.pictures import draw_reconstructions, draw_samples
from mae_bench.report.figures.trained import Gallery, TrainedModels
from mae_bench.report.layout import row_label
from mae_bench.report.style import render, style

FROM_CHECKPOINTS = {"reconstructions": draw_reconstructions, "samples": draw_samples, "tsne": draw_tsne}
FROM_RECORDS = {"nll-samples": draw_nll_samples, "kl-score": draw_kl_score, "training": draw_training}


def make_figures(
    records: Sequence[Record],
    tasks: Sequence[Task],
    output: Path,
    *,
    gallery_of: Callable[[Task, str], Gallery],
    weights_of: Callable[[Record], Path | None],
    names: Sequence[str],
    command: str,
    say: Callable[[str], None],
) -> Path:
    """Draw the figures `names` of every board of `records` into `output`, and return the page about them.

    Only ranked rows are drawn. gallery_of, weights_of: as `TrainedModels` takes them. say: is told what is being drawn
    and, in one sentence for each figure, what is left out. UsageError if nothing at all could be drawn.
    """
    index = read_index(output)
    by_name = {task.name: task for task in tasks}
    page: Path | None = None
    for board in boards(records, tasks):
        if unranked := [f"{row_label(row)} ({row.standing}: {row.reason})" for row in board.unranked]:
            say(f"left out of {board.task} {board.preset}: {'; '.join(unranked)}.")
        if not board.rows:
            continue
        folder = f"{board.task}-v{board.version}-{board.preset}"
        models = TrainedModels(board, by_name.get(board.task), gallery_of, weights_of)
        for name in names:
            what = f"{board.task} {board.preset} {name}"
            say(f"drawing {what}")
            try:
                with style(SETTINGS):
                    drawing = FROM_RECORDS[name](board) if name in FROM_RECORDS else FROM_CHECKPOINTS[name](models)
                    files = _write(drawing, output / folder, name)
            except NothingToDraw as reason:
                say(f"left out: {what}: {reason}.")
                continue
            if drawing.left_out:
                say(f"left out of {what}: {'; '.join(drawing.left_out)}.")
            index[f"{folder}/{name}"] = _entry(drawing, files, command)
            page = write_index(output, index)
    if page is None:
        raise UsageError(
            "nothing could be drawn, for the reasons above; run the models to their end, or name the store that has "
            "their checkpoints by --checkpoints."
        )
    return page


def _write(drawing: Drawing, folder: Path, name: str) -> list[str]:
    """Write the figure into `folder`; the names of its files."""
    files = []
    for file_format in ("png", "svg") if drawing.line_work else ("png",):
        files.append(f"{name}.{file_format}")
        write_atomically(folder / files[-1], render(drawing.figure, file_format, DPI))
    return files


def _entry(drawing: Drawing, files: Sequence[str], command: str) -> FigureEntry:
    return FigureEntry(
        title=drawing.title,
        caption=drawing.caption,
        files=tuple(files),
        records=tuple(
            FigureRecord(model=record.model.label, seed=record.seed, key=record.key) for record in drawing.records
        ),
        left_out=drawing.left_out,
        command=command,
    )
