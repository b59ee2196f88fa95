"""Boards -> figures: draws what can be drawn, says what cannot be and why, and writes the folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mae_bench.atomic import write_atomically
from mae_bench.errors import UsageError
from mae_bench.records.aggregate import Board, boards
from mae_bench.records.schema import Record
from mae_bench.report.figures.drawing import Drawing, NothingToDraw, figure_style, render
from mae_bench.report.figures.index import FigureEntry, FigureRecord, read_index, write_index
from mae_bench.report.figures.latent import draw_tsne
from mae_bench.report.figures.lines import draw_kl_score, draw_nll_samples, draw_training
from mae_bench.report.figures.pictures import draw_reconstructions, draw_samples
from mae_bench.report.figures.trained import Checkpoints, TrainedModels
from mae_bench.report.layout import row_label
from mae_bench.task import Task

FROM_CHECKPOINTS = {"reconstructions": draw_reconstructions, "samples": draw_samples, "tsne": draw_tsne}
FROM_RECORDS = {"nll-samples": draw_nll_samples, "kl-score": draw_kl_score, "training": draw_training}


def make_figures(
    records: Sequence[Record],
    tasks: Sequence[Task],
    checkpoints: Checkpoints,
    output: Path,
    *,
    names: Sequence[str],
    command: str,
    say: Callable[[str], None],
) -> Path:
    """Draw the figures `names` of every board of `records` into `output`, and return the page about them.

    Only ranked rows are drawn. `say` is told what goes on, and what is left out, in one sentence a figure. UsageError
    where nothing at all could be drawn.
    """
    index = read_index(output)
    by_name = {task.name: task for task in tasks}
    page: Path | None = None
    for board in boards(records, tasks):
        if unranked := [f"{row_label(row)} ({row.standing}: {row.reason})" for row in board.unranked]:
            say(f"left out of {board.task} {board.preset}: {'; '.join(unranked)}.")
        if not board.rows:
            continue
        models = TrainedModels(board, by_name.get(board.task), checkpoints)
        for name in names:
            what = f"{board.task} {board.preset} {name}"
            say(f"drawing {what}")
            try:
                with figure_style():
                    drawing = FROM_RECORDS[name](board) if name in FROM_RECORDS else FROM_CHECKPOINTS[name](models)
                    files = _write(drawing, output / _folder(board), name)
            except NothingToDraw as reason:
                say(f"left out: {what}: {reason}.")
                continue
            if drawing.left_out:
                say(f"left out of {what}: {'; '.join(drawing.left_out)}.")
            index[f"{_folder(board)}/{name}"] = _entry(drawing, files, command)
            page = write_index(output, index)
    if page is None:
        raise UsageError(
            "nothing could be drawn, for the reasons above; run the models to their end, or name the store that has "
            "their checkpoints by --checkpoints."
        )
    return page


def _folder(board: Board) -> str:
    return f"{board.task}-v{board.version}-{board.preset}"


def _write(drawing: Drawing, folder: Path, name: str) -> list[Path]:
    files = []
    for file_format in ("png", "svg") if drawing.line_work else ("png",):
        files.append(folder / f"{name}.{file_format}")
        write_atomically(files[-1], render(drawing.figure, file_format))
    return files


def _entry(drawing: Drawing, files: Sequence[Path], command: str) -> FigureEntry:
    return FigureEntry(
        title=drawing.title,
        caption=drawing.caption,
        files=tuple(file.name for file in files),
        records=tuple(
            FigureRecord(model=record.model.label, seed=record.seed, key=record.key) for record in drawing.records
        ),
        left_out=drawing.left_out,
        command=command,
    )
