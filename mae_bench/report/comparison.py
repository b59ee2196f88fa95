"""Comparisons as tables for a terminal and a pull request, and as JUnit XML for continuous integration."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import get_args
from xml.etree import ElementTree

from mae_bench.boards.compare import Comparison, Verdict
from mae_bench.boards.significance import ALPHA
from mae_bench.boards.spread import Sample
from mae_bench.foundation.text import printable
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.report.layout import ABSENT, ARROWS, Layout, TextCell, format_value

HEADINGS = ("model", "verdict", "metric", "base", "head", "change", "tolerance", "p")
RULE = (
    "Mean ± standard deviation (seeds). better, worse: the change exceeds the tolerance of the task's file and Welch's "
    f"test over seeds is significant (p ≤ {ALPHA:g}). same: otherwise. Nats an image; accuracies in per cent."
)


def summarise(comparisons: Sequence[Comparison]) -> str:
    """ "1 better, 0 worse, 13 same, 2 not comparable"."""
    counts = Counter(comparison.verdict for comparison in comparisons)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in get_args(Verdict))


def lay_out_comparisons(comparisons: Sequence[Comparison]) -> list[Layout]:
    """A table for each task, version and preset, in the order of `comparisons`."""
    return [
        Layout(
            heading=printable(f"{task}, preset {preset}"),
            caption=f"Task version {version}. {summarise(group)}.",
            headings=HEADINGS,
            rows=tuple(_row(comparison) for comparison in group),
            notes=tuple(printable(note) for note in _notes(group)),
        )
        for (task, version, preset), group in _by_board(comparisons)
    ]


def render_comparisons(comparisons: Sequence[Comparison]) -> str:
    """Markdown, for a comment on a pull request."""
    from mae_bench.report.markdown import escape, render_layout

    sections = [render_layout(layout) for layout in lay_out_comparisons(comparisons)]
    return "\n".join([f"**{summarise(comparisons)}**\n", f"{escape(RULE)}\n", *sections])


def render_junit(comparisons: Sequence[Comparison]) -> bytes:
    """JUnit XML: a suite for each task, version and preset, a case for each comparison.

    Worse is a failure, not comparable is skipped. The text is printable, since XML 1.0 has no way to write the rest.
    """
    suites = ElementTree.Element("testsuites", _counts(comparisons))
    for (task, version, preset), group in _by_board(comparisons):
        name = f"{task} version {version}, preset {preset}"
        suite = ElementTree.SubElement(suites, "testsuite", {"name": printable(name), **_counts(group)})
        for one in group:
            names = {"classname": printable(one.model), "name": printable(one.metric or "all metrics")}
            case = ElementTree.SubElement(suite, "testcase", {**names, "time": "0"})
            if one.verdict == "worse":
                numbers = [f"{heading} {cell.text}" for heading, cell in zip(HEADINGS, _row(one), strict=True)][3:7]
                message = "; ".join([", ".join(numbers), *([one.note] if one.note else [])])
                ElementTree.SubElement(case, "failure", {"message": printable(message)})
            elif one.verdict == "not comparable":
                ElementTree.SubElement(case, "skipped", {"message": printable(one.note or "")})
    ElementTree.indent(suites)
    xml: bytes = ElementTree.tostring(suites, encoding="utf-8", xml_declaration=True)
    return xml + b"\n"


def _by_board(comparisons: Sequence[Comparison]) -> list[tuple[tuple[str, int, str], list[Comparison]]]:
    def board(comparison: Comparison) -> tuple[str, int, str]:
        return comparison.task, comparison.version, comparison.preset

    return [(key, list(group)) for key, group in groupby(comparisons, key=board)]


def _counts(comparisons: Sequence[Comparison]) -> dict[str, str]:
    verdicts = Counter(comparison.verdict for comparison in comparisons)
    return {
        "tests": str(len(comparisons)),
        "failures": str(verdicts["worse"]),
        "errors": "0",
        "skipped": str(verdicts["not comparable"]),
        "time": "0",
    }


def _row(one: Comparison) -> tuple[TextCell, ...]:
    metric = one.metric
    kind = None if metric is None else metric_kind(metric)
    changed = one.verdict in ("better", "worse")
    return (
        TextCell(printable(one.model)),
        TextCell(one.verdict, bold=changed),
        TextCell("all" if kind is None else kind.title + ARROWS[kind.direction]),
        TextCell(_sample(metric, one.base)),
        TextCell(_sample(metric, one.head)),
        TextCell(_number(metric, one.change, sign="+" if (one.change or 0.0) >= 0 else "")),
        TextCell(_number(metric, one.tolerance)),
        TextCell(ABSENT if one.p_value is None else f"{one.p_value:.2g}"),
    )


def _number(metric: str | None, value: float | None, sign: str = "") -> str:
    return ABSENT if metric is None or value is None else sign + format_value(metric, value)


def _sample(metric: str | None, sample: Sample | None) -> str:
    mean, std, n = sample or (None, None, 0)
    if metric is None or mean is None:
        return ABSENT
    spread = "" if std is None else f" ± {format_value(metric, std)}"
    return f"{format_value(metric, mean)}{spread} ({n})"


def _notes(group: Sequence[Comparison]) -> list[str]:
    """The notes of the comparisons, each with all the metrics that it is about."""
    said: dict[tuple[str, str], list[str]] = {}
    for one in group:
        if one.note:
            title = "all metrics" if one.metric is None else metric_kind(one.metric).title
            said.setdefault((one.model, one.note), []).append(title)
    return [f"{model}: {', '.join(titles)}: {note}" for (model, note), titles in said.items()]
