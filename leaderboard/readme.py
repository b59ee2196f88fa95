"""The table and the picture that README.md opens with, from the published records of MNIST at preset small.

`make readme` writes both anew, after records were published. The picture holds the numbers that it is drawn from, by
which a test sees whether they are still those of the records.
"""

import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from leaderboard.findings import published_board
from mae_bench.boards.aggregate import Row
from mae_bench.planning.registry import resolve_models
from mae_bench.report.figures.drawing import GRID_COLOURS, GRID_MARKERS, OTHER_COLOURS, OTHER_MARKERS, SETTINGS
from mae_bench.report.figures.drawing import model_title as title_of
from mae_bench.report.layout import TextCell, lay_out, row_label, title_with_unit
from mae_bench.report.markdown import escape
from mae_bench.report.style import style
from mae_bench.report.systems import short_label

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "README.md"
PICTURE = ROOT / "docs" / "images" / "mnist-small.svg"
BEGIN, END = "<!-- board:begin -->\n", "<!-- board:end -->\n"

TASK = "mnist"
COLUMNS = ("nll", "kl", "kmeans_10", "knn_1000")
ACROSS, UP = "nll", "knn_1000"
"""What the picture shows against each other."""
NATS = 20
"""How much worse than the best a row of the picture may be. Two epochs leave the small MLPs a hundred nats behind, and
the rest would lie on one spot."""
SHOWN = ("mae", "vlae", "resnet_vae", "pca", "raw_pixels")
"""The models of the table, as written for `run`."""
REPORTED = ("MAE (η=1.0, γ=0.5)", "VLAE with free bits", "ResNet VAE with AF")
"""The rows of the paper that stand beneath them."""


def table() -> str:
    """The block of the README between its two marks, in Markdown."""
    board = published_board(TASK)
    layout = lay_out(board, shown=COLUMNS)
    cells = {row[0].text: row[2:] for row in layout.rows}
    rows = [_row_of(model) for model in SHOWN]
    lines = [(escape(title_of(row)), cells[row_label(row)]) for row in rows]
    reported = {label.rpartition(" [")[0]: values for label, values in cells.items() if label.endswith("]")}
    lines += [(f"*{escape(name)}, reported*", reported[name]) for name in REPORTED]
    text = tabulate(
        [[title, *map(_markdown, values)] for title, values in lines],
        headers=["model", *layout.headings[2:]],
        tablefmt="pipe",
        colalign=("left", *("right" for _ in COLUMNS)),
        disable_numparse=True,
    )
    (epochs,) = {record.training.epochs for row in rows for record in row.records if record.training.epochs}
    seeds = sorted({len(row.seeds) for row in rows})
    return (
        f"{board.title}, preset {board.preset}: mean ± standard deviation over {seeds[0]} to {seeds[-1]} seeds, small "
        f"networks after {epochs} epochs;\nNLL and KL in nats an image, accuracies in per cent. Bold: the best of the "
        "whole board and every row that cannot be\nseparated from it. The reported rows are large networks trained to "
        f"convergence (Ma, Zhou & Hovy, 2019).\n\n{text}\n"
    )


def points() -> list[dict[str, Any]]:
    """What the picture shows: for each ranked row with a representation, its title, family, means and spreads.

    Without `chance`, which is far below all others, and rows more than `NATS` behind the best.
    """
    rows = [row for row in published_board(TASK).rows if row.name != "chance" and row.cells[UP].mean is not None]
    limit = NATS + min(mean for row in rows if (mean := row.cells[ACROSS].mean) is not None)
    return [
        {
            "model": short_label(row.name, row.params),
            "family": row.name,
            **{metric: [row.cells[metric].mean, row.cells[metric].std] for metric in (ACROSS, UP)},
        }
        for row in rows
        if (row.cells[ACROSS].mean or 0.0) <= limit
    ]


def picture(shown: Sequence[Mapping[str, Any]]) -> bytes:
    """The points as SVG: one for each model, and a line across for each yardstick, which has no likelihood."""
    from matplotlib.figure import Figure

    models = [one for one in shown if one[ACROSS][0] is not None]
    families = list(dict.fromkeys(one["family"] for one in models))
    with style(SETTINGS):
        figure = Figure(figsize=(7.2, 3.1), layout="constrained", facecolor="white")
        axes = figure.subplots()
        for number, family in enumerate(families):
            own = [one for one in models if one["family"] == family]
            values = {metric: [_percent(metric, one[metric][0]) for one in own] for metric in (ACROSS, UP)}
            spreads = {metric: [_percent(metric, one[metric][1] or 0.0) for one in own] for metric in (ACROSS, UP)}
            label = own[0]["model"] if len(own) == 1 else f"{_short(own)}, {len(own)} settings"
            axes.errorbar(
                values[ACROSS], values[UP], spreads[UP], spreads[ACROSS], **_look(number), label=label, linewidth=0.9
            )
        for number, one in enumerate(one for one in shown if one[ACROSS][0] is None):
            axes.axhline(
                _percent(UP, one[UP][0]),
                color="#767676",
                linestyle=("--", ":", "-.")[number % 3],
                linewidth=0.9,
                label=f"{one['model']}, no likelihood",
            )
        low = min(_percent(UP, one[UP][0]) for one in models)
        axes.set_ylim(bottom=low - 5)
        axes.set(
            xlabel=f"{title_with_unit(ACROSS)} (left is better)", ylabel=f"{title_with_unit(UP)}, % (up is better)"
        )
        figure.suptitle(f"MNIST, preset small: the models within {NATS} nats of the best, ± one standard deviation")
        figure.legend(loc="outside right center")
        file = io.BytesIO()
        about = json.dumps(list(shown), ensure_ascii=False, sort_keys=True)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Description": about})
    return file.getvalue()


def points_in(svg: str) -> list[dict[str, Any]]:
    """The points that a picture says it was drawn from."""
    from xml.etree import ElementTree

    (about,) = ElementTree.fromstring(svg).iter("{http://purl.org/dc/elements/1.1/}description")
    found: list[dict[str, Any]] = json.loads(about.text or "[]")
    return found


def with_table(page: str) -> str:
    """`page` with today's table between its marks."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


def _row_of(model: str) -> Row:
    (found,) = resolve_models(model)
    (row,) = [row for row in published_board(TASK).rows if row.label == found.label]
    return row


def _markdown(cell: TextCell) -> str:
    return f"**{escape(cell.text)}**" if cell.bold else escape(cell.text)


def _percent(metric: str, value: float) -> float:
    return 100 * value if metric == UP else value


def _short(rows: Iterable[Mapping[str, Any]]) -> str:
    """What the titles of a family's rows begin with: "MAE"."""
    return re.split(r"[ \[]", next(iter(rows))["model"])[0]


def _look(number: int) -> dict[str, Any]:
    colours, markers = (*GRID_COLOURS, *OTHER_COLOURS), GRID_MARKERS + OTHER_MARKERS
    return {"color": colours[number % len(colours)], "marker": markers[number % len(markers)], "linestyle": "none"}


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(picture(points()))
