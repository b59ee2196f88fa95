"""How a page is rendered, and the page of each board. Every text goes through `printable` and is escaped."""

import re
from collections.abc import Sequence
from functools import cache
from posixpath import dirname, relpath
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from mae_bench.foundation.text import printable
from mae_bench.report.html.drawing import describe, draw, key_of
from mae_bench.report.html.preset import board_commands
from mae_bench.report.html.view import COMPACT, BoardView
from mae_bench.report.layout import LEGEND
from mae_bench.report.plots import REPORTED, Plot, board_plots
from mae_bench.report.systems import FAMILIES
from mae_bench.review.verification import BADGES

INDEX = "index.html"
ASSETS = "site/assets"


def render_board(view: BoardView) -> str:
    """The page of one board: its table, the notes beneath it, its plots."""
    board = view.board
    commands, left_out = board_commands(board)
    looks = [row.naming.family for row in view.rows]
    return render(
        view.address,
        "board.html",
        view=view,
        title=view.layout.heading,
        caption=view.layout.caption,
        commands=commands,
        left_out=left_out,
        extra=[group for group in view.groups if group[0] != COMPACT],
        looks=[(look, _title_of(look), key_of(look)) for look in (*FAMILIES, REPORTED) if look in looks],
        legend=LEGEND,
        badges=BADGES,
        plots=[page_plot(plot) for plot in board_plots(board)],
    )


def page_plot(plot: Plot) -> dict[str, Any]:
    """A plot for the template: the drawing, the description and the table."""
    return {"plot": plot, "description": describe(plot), "drawing": draw(plot)}


def render(address: str, template: str, **values: Any) -> str:
    """The page at `address`; `link(target)` in a template is the way there from it."""
    folder = dirname(address)
    return _environment().get_template(template).render(link=lambda target: relpath(target, folder or "."), **values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("mae_bench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["breakable"] = _breakable
    environment.globals["key_of"] = key_of
    return environment


def _title_of(look: str) -> str:
    return FAMILIES.get(look, "reported by others")


def _shown(value: object) -> object:
    """What a template prints: our own markup as it is, anything else made printable, to be escaped after that."""
    return value if isinstance(value, Markup) else printable(str(value))


def _breakable(text: str) -> Markup:
    """A model's label, in which a line may break before each parameter."""
    return Markup(re.sub(r"(?<=\w)\[|,", r"\g<0><wbr>", str(escape(printable(text)))))


def joined(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
