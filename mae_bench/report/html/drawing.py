"""Plots as SVG that stands within a page: colours and fonts are the page's own, and no foreign text is markup.

Every mark is an element of its own, which names its row to whoever points at it and to the page's script, and bears
the class of its look. A drawing library's SVG has neither, and takes a hundred times as long.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import ceil, floor, log10

from markupsafe import Markup, escape

from mae_bench.foundation.text import printable
from mae_bench.report.plots import REPORTED, Plot, Point, Series
from mae_bench.report.systems import FAMILIES
from mae_bench.report.training_plots import SEED_LOOKS

WIDTH, HEIGHT = 480.0, 340.0
LEFT, RIGHT, TOP, BOTTOM = 66.0, 14.0, 12.0, 46.0
"""The room for the axes, in the drawing's units."""
MARGIN = 0.06
"""What an axis of numbers leaves free at both ends, as a part of its length."""
MOST_MARKS = 24
"""On one line."""
SHAPES = {
    "circle": "M-4 0A4 4 0 1 1 4 0A4 4 0 1 1-4 0Z",
    "square": "M-3.5-3.5H3.5V3.5H-3.5Z",
    "diamond": "M0-5L5 0L0 5L-5 0Z",
    "up": "M0-5L4.6 3.4H-4.6Z",
    "down": "M0 5L4.6-3.4H-4.6Z",
    "plus": "M-1.5-5H1.5V-1.5H5V1.5H1.5V5H-1.5V1.5H-5V-1.5H-1.5Z",
    "cross": "M0-2.1L2.9-5L5-2.9L2.1 0L5 2.9L2.9 5L0 2.1L-2.9 5L-5 2.9L-2.1 0L-5-2.9L-2.9-5Z",
    "hexagon": "M-2.5-4.3H2.5L5 0L2.5 4.3H-2.5L-5 0Z",
}
"""A mark around the origin. Families are told apart by colour and mark together, not by either alone."""
LOOKS = {
    **dict(zip(FAMILIES, SHAPES.values(), strict=True)),
    **dict(zip(SEED_LOOKS, SHAPES.values(), strict=True)),
    REPORTED: SHAPES["diamond"],
}


@dataclass(frozen=True)
class Axis:
    """Numbers from `lowest` to `highest` on places from `start` to `end`. ticks: (number, text)."""

    lowest: float
    highest: float
    start: float
    end: float
    ticks: tuple[tuple[float, str], ...]

    def place(self, value: float) -> float:
        """Where `value` lies."""
        return self.start + (value - self.lowest) / (self.highest - self.lowest) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether `value` lies on the axis."""
        return self.lowest <= value <= self.highest


def describe(plot: Plot) -> str:
    """Sentences that say what the plot shows, what its bars and grey marks mean, and what lies beyond its axes."""
    sentences = [plot.description]
    if any(point.x_error or point.y_error for series in plot.series for point in series.points):
        sentences.append("Bars are one standard deviation over seeds.")
    if any(series.look == REPORTED for series in plot.series):
        sentences.append(f"{'Thin grey lines' if plot.joined else 'Hollow grey diamonds'} are reported by others.")
    drawn = _within(plot)
    if beyond := [series.name for series in plot.series if series not in drawn and series.points]:
        sentences.append(f"Beyond the axes, and not drawn: {', '.join(beyond)}.")
    return " ".join(sentences)


def draw(plot: Plot) -> Markup:
    """`plot` as an `svg` element with a title and a description. The same plot gives the same bytes."""
    drawn = _within(plot)
    places = {x: float(place) for place, x in enumerate(plot.ticks)}
    x_axis, y_axis = _axes(plot, _stretching(plot), places)
    # What is reported lies beneath what was measured.
    ordered = sorted(drawn, key=lambda one: one.look != REPORTED)
    parts = [
        *_grid(x_axis, y_axis),
        *(_iso_lines(x_axis, y_axis) if plot.sums else ()),
        *(_series(one, plot, x_axis, y_axis, places) for one in ordered if one.points),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, plot.x_label, "middle label"),
        _turned(13, (TOP + HEIGHT - BOTTOM) / 2, plot.y_label),
    ]
    names = Markup('<title id="{0}-title">{1}</title><desc id="{0}-desc">{2}</desc>').format(
        plot.key, printable(plot.title), printable(describe(plot))
    )
    head = Markup(
        '<svg class="plot" viewBox="0 0 {:g} {:g}" role="img" aria-labelledby="{}-title" aria-describedby="{}-desc">'
    ).format(WIDTH, HEIGHT, plot.key, plot.key)
    return Markup("\n").join([head + names, *parts, Markup("</svg>")])


@cache
def key_of(look: str) -> Markup:
    """The mark of a look alone, for legends and tables."""
    return Markup(
        '<svg class="key look-{}" viewBox="-6 -6 12 12" aria-hidden="true"><path class="dot" d="{}"></path></svg>'
    ).format(look, LOOKS[look])


def draw_strip(values: Sequence[tuple[float, str, str]]) -> Markup:
    """A sparkline: a stroke for each (value, look, name) along one line, from the lowest to the highest."""
    width, height = 240.0, 22.0
    lowest, highest = min(value for value, _, _ in values), max(value for value, _, _ in values)
    axis = Axis(lowest, highest if highest > lowest else lowest + 1, 6, width - 6, ())
    strokes = [
        _filled(
            '<path class="look-{}" d="M{} 4V18"><title>{}</title></path>',
            look,
            _number(axis.place(value)),
            printable(name),
        )
        for value, look, name in values
    ]
    head = Markup(
        '<svg class="strip" viewBox="0 0 {:g} {:g}" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<path class="axis" d="M0 11H{:g}"></path>'
    )
    label = f"The spread of {len(values)} rows"
    return head.format(width, height, label, width) + Markup("").join(strokes) + Markup("</svg>")


def nice_ticks(lowest: float, highest: float, count: int = 6) -> list[float]:
    """Round numbers between the two, at most `count`: multiples of 1, 2 or 5 times a power of ten."""
    rough = (highest - lowest) / count
    power = 10.0 ** floor(log10(rough))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))
    return [number * step for number in range(ceil(lowest / step - 1e-9), floor(highest / step + 1e-9) + 1)]


def _within(plot: Plot) -> tuple[Series, ...]:
    """The series that are drawn: yardsticks stretch no axis, and are left out where they lie beyond it."""
    places = {x: float(place) for place, x in enumerate(plot.ticks)}
    x_axis, y_axis = _axes(plot, _stretching(plot), places)
    return tuple(
        one
        for one in plot.series
        if one.look != "yardstick"
        or all(x_axis.holds(places.get(point.x, point.x)) and y_axis.holds(point.y) for point in one.points)
    )


def _stretching(plot: Plot) -> tuple[Series, ...]:
    """The series that decide how far the axes go: those of models, or all if there are only yardsticks."""
    models = tuple(one for one in plot.series if one.look != "yardstick" and one.points)
    return models or plot.series


def _axes(plot: Plot, series: Iterable[Series], places: dict[float, float]) -> tuple[Axis, Axis]:
    points = [point for one in series for point in one.points]
    y_axis = _axis([_ends(point.y, point.y_error) for point in points], HEIGHT - BOTTOM, TOP)
    if places:
        ticks = tuple(zip(places.values(), plot.ticks.values(), strict=True))
        return Axis(-0.25, len(places) - 0.75, LEFT, WIDTH - RIGHT, ticks), y_axis
    return _axis([_ends(point.x, point.x_error) for point in points], LEFT, WIDTH - RIGHT, plot.whole), y_axis


def _ends(value: float, error: float | None) -> tuple[float, float]:
    return value - (error or 0.0), value + (error or 0.0)


def _axis(ends: Sequence[tuple[float, float]], start: float, end: float, whole: bool = False) -> Axis:
    lowest, highest = min((low for low, _ in ends), default=0.0), max((high for _, high in ends), default=1.0)
    spare = MARGIN * (highest - lowest) or max(abs(highest) * MARGIN, 0.5)
    lowest, highest = lowest - spare, highest + spare
    ticks = [tick for tick in nice_ticks(lowest, highest) if not whole or tick == int(tick)]
    decimals = max(0, -floor(log10(ticks[1] - ticks[0]) + 1e-9)) if len(ticks) > 1 else 0
    return Axis(lowest, highest, start, end, tuple((tick, f"{tick:.{decimals}f}") for tick in ticks))


def _grid(x_axis: Axis, y_axis: Axis) -> list[Markup]:
    """Grid lines and numbers, one path for all lines."""
    rows = [(_number(y_axis.place(tick)), text) for tick, text in y_axis.ticks]
    columns = [(_number(x_axis.place(tick)), text) for tick, text in x_axis.ticks]
    lines = [f"M{LEFT:g} {y}H{WIDTH - RIGHT:g}" for y, _ in rows] + [
        f"M{x} {TOP:g}V{HEIGHT - BOTTOM:g}" for x, _ in columns
    ]
    frame = f"M{LEFT:g} {TOP:g}V{HEIGHT - BOTTOM:g}H{WIDTH - RIGHT:g}"
    return [
        _filled('<path class="grid" d="{}"></path><path class="axis" d="{}"></path>', "".join(lines), frame),
        *(_text(LEFT - 6, float(y) + 4, text, "end") for y, text in rows),
        *(_text(float(x), HEIGHT - BOTTOM + 16, text, "middle") for x, text in columns),
    ]


def _iso_lines(x_axis: Axis, y_axis: Axis) -> list[Markup]:
    """Lines of equal x + y, each with its sum at its lower end."""
    parts = []
    for total in nice_ticks(x_axis.lowest + y_axis.lowest, x_axis.highest + y_axis.highest, 8):
        left, right = max(x_axis.lowest, total - y_axis.highest), min(x_axis.highest, total - y_axis.lowest)
        if right - left < 0.08 * (x_axis.highest - x_axis.lowest):
            continue
        ends = [(x_axis.place(x), y_axis.place(total - x)) for x in (left, right)]
        (x0, y0), (x1, y1) = ends
        parts.append(
            Markup('<path class="iso" d="M{} {}L{} {}"></path>').format(*map(_number, (x0, y0, x1, y1)))
            + _text(x1 - 4, y1 - 4, f"{total:g}", "end iso")
        )
    return parts


def _series(series: Series, plot: Plot, x_axis: Axis, y_axis: Axis, places: dict[float, float]) -> Markup:
    """The line, the error bars and the marks of one series, in a group that names its row."""
    found = [(x_axis.place(places.get(point.x, point.x)), y_axis.place(point.y), point) for point in series.points]
    parts = []
    if plot.joined:
        line = "L".join(f"{_number(x)} {_number(y)}" for x, y, _ in found)
        parts.append(_filled('<path class="line" d="M{}"></path>', line))
    if bars := "".join(_bars(x, y, point, x_axis, y_axis) for x, y, point in found):
        parts.append(_filled('<path class="bars" d="{}"></path>', bars))
    step = max(1, ceil(len(found) / MOST_MARKS))
    shape = LOOKS[series.look.split()[0]]
    parts += [
        _filled(
            '<path class="dot" d="{}" transform="translate({} {})"><title>{}</title></path>',
            shape,
            _number(x),
            _number(y),
            printable(f"{series.name}: {_told(point, plot)}"),
        )
        for x, y, point in found[::step]
    ]
    group = _filled('<g class="series look-{}" data-row="{}">', series.look, series.key)
    return group + Markup("").join(parts) + Markup("</g>")


def _bars(x: float, y: float, point: Point, x_axis: Axis, y_axis: Axis) -> str:
    """Error bars with ends, cut off at the frame."""
    parts = []
    if point.x_error:
        half = abs(x_axis.place(point.x_error) - x_axis.place(0.0))
        start, end = max(x - half, LEFT), min(x + half, WIDTH - RIGHT)
        parts.append(f"M{_number(start)} {_number(y)}H{_number(end)}")
    if point.y_error:
        half = abs(y_axis.place(point.y_error) - y_axis.place(0.0))
        start, end = max(y - half, TOP), min(y + half, HEIGHT - BOTTOM)
        parts.append(f"M{_number(x)} {_number(start)}V{_number(end)}")
        parts += [f"M{_number(x - 3)} {_number(one)}h6" for one in (start, end)]
    return "".join(parts)


def _told(point: Point, plot: Plot) -> str:
    """The numbers of a mark in words."""
    x = plot.ticks[point.x] if plot.ticks else f"{point.x:.4g}"
    error = "" if not point.y_error else f" ± {point.y_error:.2g}"
    return f"{plot.x_label} {x}; {plot.y_label} {point.y:.4g}{error}"


def _filled(template: str, *values: str) -> Markup:
    """`Markup.format` for texts alone, in a fifth of the time: a large board has a hundred thousand elements."""
    return Markup(template.format(*map(escape, values)))


def _text(x: float, y: float, text: str, classes: str) -> Markup:
    return _filled('<text class="{}" x="{}" y="{}">{}</text>', classes, _number(x), _number(y), printable(text))


def _turned(x: float, y: float, text: str) -> Markup:
    return Markup('<text class="middle label" transform="translate({} {}) rotate(-90)">{}</text>').format(
        _number(x), _number(y), printable(text)
    )


def _number(value: float) -> str:
    """A place to a tenth of a unit, without a useless zero."""
    return f"{value:.1f}".removesuffix(".0")
