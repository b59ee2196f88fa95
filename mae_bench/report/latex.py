"""Boards as tables of LaTeX, for a paper; they need the package booktabs."""

from collections.abc import Iterable

from mae_bench.report.layout import Layout, TextCell

CHARACTERS = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "±": r"$\pm$",
        "↓": r"$\downarrow$",
        "↑": r"$\uparrow$",
        "–": "--",
        "…": r"\dots{}",
    }
)
"""Characters that mean something else to LaTeX, or that its fonts lack."""


def render_latex(layouts: Iterable[Layout]) -> str:
    """A table for each layout, and its notes above it as comments."""
    return "\n".join(_table(layout) for layout in layouts)


def _table(layout: Layout) -> str:
    import pandas as pd

    rows = [[_cell(cell) for cell in row] for row in layout.rows]
    table = pd.DataFrame(rows, columns=[_escape(heading) for heading in layout.headings]).to_latex(
        index=False,
        escape=False,
        column_format="ll" + "r" * (len(layout.headings) - 2),
        caption=_escape(f"{layout.heading}. {layout.caption}"),
    )
    return "".join(f"% {note}\n" for note in layout.notes) + table


def _cell(cell: TextCell) -> str:
    return rf"\textbf{{{_escape(cell.text)}}}" if cell.bold else _escape(cell.text)


def _escape(text: str) -> str:
    return text.translate(CHARACTERS)
