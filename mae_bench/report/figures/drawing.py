"""What a drawn figure is, and how it looks: one style, and colours that colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from textwrap import fill
from typing import TYPE_CHECKING, Any

from mae_bench.boards.aggregate import Board, Row
from mae_bench.records.schema import Record
from mae_bench.report.layout import row_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 7.2
"""Inches, of every figure: two columns of a paper."""
LETTERS_AN_INCH = 14
DPI = 200
SETTINGS: dict[Any, Any] = {
    "text.parse_math": False,  # a label is not ours to interpret
    "font.size": 8,
    "axes.titlesize": 8,
    "figure.titlesize": 9,
    "legend.frameon": False,
    "lines.markersize": 4.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e0e0e0",
    "grid.linewidth": 0.6,
}
GRID_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""MAE's, one for each gamma. With OTHER_COLOURS they are Okabe and Ito's palette without yellow, which is hard to see
on white."""
OTHER_COLOURS = ("#000000", "#e69f00", "#56b4e9")
GRID_MARKERS, OTHER_MARKERS = "os^v", "DPX*<>"
PAPER_ORDER = ("resnet_vae", "vlae", "mae")
DASHES = ("-", "--", ":", "-.")


class NothingToDraw(Exception):
    """There is no model or no number for a figure; the message is the reason, a clause without a full stop."""


@dataclass(frozen=True)
class Drawing:
    """A figure and what must be known about it.

    caption: sentences. records: all that it is drawn from. line_work: whether it is written as SVG too. left_out: one
    clause for each model that could not be drawn.
    """

    figure: Figure
    title: str
    caption: str
    records: tuple[Record, ...]
    line_work: bool
    left_out: tuple[str, ...] = ()


def wrapped(text: str, inches: float) -> str:
    """`text` in lines that fit into `inches` at the size of panel titles."""
    return fill(text, int(inches * LETTERS_AN_INCH))


def panel_figure(title: str, rows: int, columns: int) -> tuple[Figure, list[list[Axes]]]:
    """An empty figure of `rows` x `columns` square panels without axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, rows * (WIDTH / columns + 0.1) + 0.35), layout="constrained")
    figure.suptitle(wrapped(title, WIDTH))
    panels: list[list[Axes]] = figure.subplots(rows, columns, squeeze=False).tolist()
    for axes in chain.from_iterable(panels):
        axes.set_axis_off()
    return figure, panels


def caption_title(what: str, board: Board, records: Sequence[Record]) -> str:
    """ "Samples: mnist, preset small, seeds 0, 1, 2, trained for 2 epochs"; the last clause only if any was."""
    seeds = sorted({record.seed for record in records})
    epochs = sorted({record.training.epochs for record in records if record.training.epochs})
    seed_words = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
    span = " to ".join(map(str, sorted({epochs[0], epochs[-1]}))) if epochs else ""
    trained = f", trained for {span} epoch{'' if epochs == [1] else 's'}" if epochs else ""
    return f"{what}: {board.task}, preset {board.preset}, {seed_words}{trained}"


def grid_place(row: Row) -> tuple[float, float] | None:
    """(eta, gamma) of an MAE with the paper's diversity loss; None for every other model."""
    if row.params.get("diversity") != "paper" or not _is_own(row, "mae", "diversity", "eta", "gamma"):
        return None
    return row.params["eta"], row.params["gamma"]


def free_bits(row: Row) -> float | None:
    """The free bits of a VLAE, nats a data dimension; None for every other model."""
    return row.params["free_bits"] if _is_own(row, "vlae", "free_bits") else None


def model_title(row: Row) -> str:
    """The model in the paper's words if it is one of the paper's, else its label."""
    if _is_own(row, "mae", "diversity", "eta", "gamma"):
        other = "" if grid_place(row) else f", diversity {row.params['diversity']}"
        return f"MAE η={row.params['eta']}, γ={row.params['gamma']}{other}"
    bits = free_bits(row)
    if bits is not None:
        return f"VLAE with free bits {bits}" if bits else "VLAE without free bits"
    return "ResNet VAE" if _is_own(row, "resnet_vae") else row_label(row)


def _is_own(row: Row, name: str, *params: str) -> bool:
    """Whether the row is that built-in model, with a number for each of its parameters but the diversity.

    False if a note tells it from another row of its label.
    """
    numbers = [value for key, value in row.params.items() if key != "diversity"]
    return (
        row.name == name
        and set(row.params) == set(params)
        and row.note is None
        and all(isinstance(value, int | float) for value in numbers)
    )


def by_model(rows: Sequence[Row]) -> list[Row]:
    """The order of panels and legends: ResNet VAE, VLAE by free bits, MAE by gamma and eta, then others by label."""

    def order(row: Row) -> tuple[int, bool, float, float, str]:
        name = PAPER_ORDER.index(row.name) if row.name in PAPER_ORDER else len(PAPER_ORDER)
        eta, gamma = grid_place(row) or (0.0, free_bits(row) or 0.0)
        return (name, row.name == "mae" and grid_place(row) is None, gamma, eta, row_label(row))

    return sorted(rows, key=order)


def looks(rows: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """How each row is drawn, by its label, as matplotlib's arguments: colour, marker and dashes, never colour alone.

    It is the same in every figure of a board. An MAE has the colour of its gamma, and the marker and dashes of its eta.
    """
    places = {row_label(row): place for row in rows if (place := grid_place(row))}
    etas = sorted({eta for eta, _ in places.values()})
    gammas = sorted({gamma for _, gamma in places.values()})
    others = [label for row in by_model(rows) if (label := row_label(row)) not in places]
    return {
        label: _look(GRID_COLOURS, GRID_MARKERS, gammas.index(gamma), etas.index(eta))
        for label, (eta, gamma) in places.items()
    } | {label: _look(OTHER_COLOURS, OTHER_MARKERS, n, n) for n, label in enumerate(others)}


def _look(colours: Sequence[str], markers: str, colour: int, mark: int) -> dict[str, Any]:
    return {
        "color": colours[colour % len(colours)],
        "marker": markers[mark % len(markers)],
        "linestyle": DASHES[mark % len(DASHES)],
    }
