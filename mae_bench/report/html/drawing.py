"""Plots as SVG that stands within a page: its colours and its font are the page's own, and it bears no foreign text.

Matplotlib places everything. Its SVG is then made fit for a page whose security policy forbids inline styles:
declarations become attributes; colours become variables of the page's style sheet, so that light and dark both work;
the definitions that marks refer to are copied into place, so that no two plots of a page share an identifier.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup

from mae_bench.report.plots import Plot, Series
from mae_bench.report.style import render, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 4.8, 3.3
"""A plot's size in inches of 72 units; a page scales it to its column."""
COLOURS = 8
"""How many colours `--series-N` the style sheet has."""
MARKERS = "osDv^P*"
DASHES = ("-", "--", "-.", ":")
"""The numbers of markers and colours have no common divisor, so no two of the first 56 series of a plot agree in
both."""
MOST_MARKERS = 24
"""On one line."""
INK, GRID, REPORTED = "#00fe01", "#00fe02", "#00fe03"
"""Colours that stand for the page's own until `_page_colour` puts its variables in their place."""
VARIABLES = {INK: "var(--text)", GRID: "var(--grid)", REPORTED: "var(--muted)"}
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
PLACES = {"d", "x", "y", "transform"}
DROPPED = {"id", "clip-path", "version", "width", "height", "font-family", "font-style", "font-weight"}


def describe(plot: Plot) -> str:
    """Sentences that say what the plot shows, and what its bars and grey marks mean if it has any."""
    sentences = [plot.description]
    if any(point.x_error or point.y_error for series in plot.series for point in series.points):
        sentences.append("Bars are one standard deviation over seeds.")
    if any(series.style is None for series in plot.series):
        sentences.append(f"{'Dashed grey lines' if plot.joined else 'Hollow grey diamonds'} are reported by others.")
    return " ".join(sentences)


def draw(plot: Plot) -> Markup:
    """`plot` as an `svg` element with a title and a description. The same plot gives the same bytes."""
    from matplotlib.figure import Figure

    places = {x: place for place, x in enumerate(plot.ticks)}
    with style(SETTINGS):
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        axes = figure.subplots()
        axes.grid(True, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel(plot.x_label)
        axes.set_ylabel(plot.y_label)
        if plot.ticks:
            axes.set_xticks(range(len(plot.ticks)), list(plot.ticks.values()))
        elif plot.joined:
            axes.locator_params(axis="x", integer=True)
        # Reported points lie beneath the measured ones.
        for series in sorted(plot.series, key=lambda one: one.style is not None):
            _draw_series(axes, series, plot.joined, places)
        svg = _svg(figure)
    names = {"title": plot.title, "desc": describe(plot)}
    for place, (tag, text) in enumerate(names.items()):
        element = ElementTree.Element(f"{SVG}{tag}", {"id": f"{plot.key}-{tag}"})
        element.text = text
        svg.insert(place, element)
    svg.set("role", "img")
    svg.set("aria-labelledby", f"{plot.key}-title")
    svg.set("aria-describedby", f"{plot.key}-desc")
    return _markup(svg)


@cache
def draw_key(number: int | None, joined: bool) -> Markup:
    """The mark of a series alone, for the legend. number: of its look, None for a reported row."""
    from matplotlib.figure import Figure

    with style(SETTINGS):
        figure = Figure(figsize=(0.5, 0.2))
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        axes.set_xlim(-1, 1)
        axes.plot([-0.9, 0, 0.9] if joined else [0], [0, 0, 0] if joined else [0], markevery=[1 if joined else 0])
        axes.lines[0].set(**_look(number, joined))
        svg = _svg(figure)
    svg.set("aria-hidden", "true")
    svg.set("class", "key")
    return _markup(svg)


def _draw_series(axes: Axes, series: Series, joined: bool, places: Mapping[float, int]) -> None:
    """Draw the series; places: where an axis of words has its x, evenly spaced."""
    if not series.points:
        return
    x_errors = [point.x_error or 0.0 for point in series.points]
    y_errors = [point.y_error or 0.0 for point in series.points]
    axes.errorbar(
        [places.get(point.x, point.x) for point in series.points],
        [point.y for point in series.points],
        xerr=x_errors if any(x_errors) else None,
        yerr=y_errors if any(y_errors) else None,
        elinewidth=1.2,
        capsize=2.5,
        markevery=max(1, len(series.points) // MOST_MARKERS),
        **_look(series.style, joined),
    )


def _look(number: int | None, joined: bool) -> dict[str, Any]:
    """How matplotlib is to draw a series. Models are told apart by colour and mark together, not by either alone."""
    if number is None:
        line = {"linestyle": (0, (2, 2)) if joined else "none", "linewidth": 0.8}
        return {"color": REPORTED, "marker": "D", "markersize": 4.0, "markerfacecolor": "none", **line}
    line = {"linestyle": DASHES[number % len(DASHES)] if joined else "none", "linewidth": 1.6}
    colour = f"#00ff{number % COLOURS:02x}"
    return {"color": colour, "marker": MARKERS[number % len(MARKERS)], "markersize": 6.5, **line}


def _svg(figure: Figure) -> ElementTree.Element:
    """The figure as an `svg` element without style sheets, style attributes, metadata, definitions and identifiers."""
    figure.patch.set_visible(False)
    for axes in figure.axes:
        axes.patch.set_visible(False)
    root = ElementTree.fromstring(render(figure, "svg"))
    defined = {element.get("id", ""): element for element in root.iter(f"{SVG}path") if element.get("id")}
    _replace_uses(root, defined)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{SVG}defs", f"{SVG}metadata") or (child.tag == f"{SVG}g" and not len(child)):
                parent.remove(child)
    for element in root.iter():
        _restyle(element)
    return root


def _replace_uses(root: ElementTree.Element, defined: dict[str, ElementTree.Element]) -> None:
    """Put in the place of every `use` a copy of what it refers to."""
    for use in [element for element in root.iter() if element.tag == f"{SVG}use"]:
        shape = defined[use.attrib.pop(LINK).removeprefix("#")]
        x, y = use.attrib.pop("x"), use.attrib.pop("y")
        style = "; ".join(filter(None, (shape.get("style"), use.get("style"))))
        use.tag = f"{SVG}path"
        use.attrib = {"d": shape.attrib["d"], "transform": f"translate({x} {y})", "style": style}


def _restyle(element: ElementTree.Element) -> None:
    """Turn declarations into attributes, colours into variables; round places to a hundredth; drop rotations by 0."""
    for declaration in filter(None, element.attrib.pop("style", "").split(";")):
        name, _, value = declaration.partition(":")
        element.set(name.strip(), _page_colour(value.strip()))
    if re.match(r"rotate\(-?0 ", element.get("transform", "")):
        del element.attrib["transform"]
    for name in DROPPED & element.attrib.keys():
        del element.attrib[name]
    for name in PLACES & element.attrib.keys():
        short = re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.2f}", element.attrib[name])
        element.set(name, " ".join(short.split()))


def _page_colour(value: str) -> str:
    series = re.fullmatch(r"#00ff(..)", value)
    return f"var(--series-{int(series[1], 16)})" if series else VARIABLES.get(value, value)


def _markup(svg: ElementTree.Element) -> Markup:
    """The element as HTML, in which SVG needs no namespace. The serialiser escapes every text within."""
    for element in svg.iter():
        element.tag = element.tag.removeprefix(SVG)
        element.tail = None
        if element.tag not in ("text", "title", "desc"):
            element.text = None
    return Markup(ElementTree.tostring(svg, encoding="unicode", method="html"))
