"""Comparisons as Markdown and JUnit XML: one table to the letter, and hostile text that stays text."""

import re
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from mae_bench.boards.compare import Comparison
from mae_bench.report.comparison import RULE, render_comparisons, render_junit, summarise
from mae_bench.report.markdown import escape

BOARD = ("digits", 1, "small")
WORSE = Comparison(*BOARD, "mae", "nll", "worse", (20.0, 0.1, 3), (21.0, 0.2, 3), 0.5, 0.0012)
BETTER = Comparison(*BOARD, "mae", "knn_100", "better", (0.8, None, 1), (0.9, 0.01, 3), 0.05, note="one seed in BASE")
SAME = Comparison(*BOARD, "vlae", "nll", "same", (20.0, 0.1, 3), (19.9, 0.1, 3), 0.5, 0.3)
APART = Comparison("digits", 1, "smoke", "vlae", None, "not comparable", note="no complete record in HEAD")
ALL = [WORSE, BETTER, SAME, APART]

TABLES = """\
## digits, preset small

Task version 1. 1 better, 1 worse, 1 same, 0 not comparable.

| model | verdict | metric | base | head | change | tolerance | p |
|:---|:---|---:|---:|---:|---:|---:|---:|
| mae | **worse** | NLL ↓ | 20.00 ± 0.10 (3) | 21.00 ± 0.20 (3) | +1.00 | 0.50 | 0.0012 |
| mae | **better** | KNN 100 ↑ | 80.0 (1) | 90.0 ± 1.0 (3) | +10.0 | 5.0 | – |
| vlae | same | NLL ↓ | 20.00 ± 0.10 (3) | 19.90 ± 0.10 (3) | -0.10 | 0.50 | 0.3 |

- mae: KNN 100: one seed in BASE

## digits, preset smoke

Task version 1. 0 better, 0 worse, 0 same, 1 not comparable.

| model | verdict | metric | base | head | change | tolerance | p |
|:---|:---|---:|---:|---:|---:|---:|---:|
| vlae | not comparable | all | – | – | – | – | – |

- vlae: all metrics: no complete record in HEAD
"""


def test_the_tables_to_the_letter():
    headline, _, rest = render_comparisons(ALL).partition("\n\n")
    rule, _, tables = rest.partition("\n\n")
    assert headline == f"**{summarise(ALL)}**" == "**1 better, 1 worse, 1 same, 1 not comparable**"
    assert rule == escape(RULE)
    assert re.sub(r" +", " ", re.sub(r"-{3,}", "---", tables)) == TABLES


def test_junit_counts_and_names_what_failed():
    root = ElementTree.fromstring(render_junit(ALL))
    assert root.tag == "testsuites"
    assert root.attrib == {"tests": "4", "failures": "1", "errors": "0", "skipped": "1", "time": "0"}
    small, smoke = root
    assert small.attrib == {"name": "digits version 1, preset small"} | {
        "tests": "3",
        "failures": "1",
        "errors": "0",
        "skipped": "0",
        "time": "0",
    }
    assert [(case.tag, case.attrib["classname"], case.attrib["name"]) for case in small] == [
        ("testcase", "mae", "nll"),
        ("testcase", "mae", "knn_100"),
        ("testcase", "vlae", "nll"),
    ]
    (failure,) = small[0]
    assert failure.tag == "failure"
    assert failure.attrib["message"] == "base 20.00 ± 0.10 (3), head 21.00 ± 0.20 (3), change +1.00, tolerance 0.50"
    assert len(small[1]) == len(small[2]) == 0
    (skipped,) = smoke[0]
    assert (skipped.tag, skipped.attrib) == ("skipped", {"message": "no complete record in HEAD"})
    assert smoke[0].attrib["name"] == "all metrics"


@pytest.mark.parametrize(
    "text",
    ["<script>x</script>|", "\x1b[2J\x00", "\u202e\ufffe\ud800", "]]>&amp;\"'", "a\n| b |\n# c", "![x](https://x.y)"],
)
def test_hostile_text_stays_text(text):
    comparisons = [
        Comparison(*BOARD, f"mae[x={text}]", "nll", "worse", (20.0, None, 1), (21.0, None, 1), 0.5, note=text),
        Comparison(*BOARD, f"vlae[x={text}]", None, "not comparable", note=text),
    ]
    tokens = MarkdownIt("commonmark").enable("table").parse(render_comparisons(comparisons))
    assert sum(token.type == "tr_open" for token in tokens) == 3
    assert not any(token.type == "html_block" for token in tokens)
    inline = {child.type for token in tokens for child in token.children or ()}
    assert inline <= {"text", "text_special", "strong_open", "strong_close"}
    (suite,) = ElementTree.fromstring(render_junit(comparisons))
    assert [case.attrib["name"] for case in suite] == ["nll", "all metrics"]
    assert all(value.isprintable() for element in suite.iter() for value in element.attrib.values())
