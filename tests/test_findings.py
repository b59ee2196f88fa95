"""docs/findings.md: which findings of the paper the published records at preset small show, each with its test.

`python tests/test_findings.py` writes the table anew, after records were published.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from mae_bench.content import content_folder
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.records.aggregate import Cell, boards
from mae_bench.records.significance import holm, welch
from mae_bench.records.store import Store
from mae_bench.registry import resolve_models, resolve_tasks
from mae_bench.report.layout import format_mean, format_value

PAGE = Path(__file__).parents[1] / "docs" / "findings.md"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"
MAE, VLAE, NO_FREE_BITS, RESNET = "mae", "vlae", "vlae[free_bits=0]", "resnet_vae"
NAMES = {MAE: "MAE", VLAE: "VLAE", NO_FREE_BITS: "VLAE without free bits", RESNET: "ResNet VAE"}
REPORTED = {
    MAE: "MAE (η=1.0, γ=0.5)",
    VLAE: "VLAE with free bits",
    NO_FREE_BITS: "VLAE without free bits",
    RESNET: "ResNet VAE with AF",
}


@dataclass(frozen=True)
class Finding:
    """Of two models, which has the lower value of a metric in the paper's tables."""

    metric: str
    lower: str
    higher: str


FINDINGS = [
    Finding("nll", VLAE, RESNET),
    Finding("nll", MAE, RESNET),
    Finding("nll", MAE, VLAE),
    Finding("nll", VLAE, NO_FREE_BITS),
    Finding("negative_elbo", VLAE, MAE),
    Finding("kl", VLAE, MAE),
    Finding("kl", NO_FREE_BITS, VLAE),
    Finding("kl", VLAE, RESNET),
    Finding("mpd", MAE, VLAE),
    Finding("mpd", VLAE, RESNET),
    Finding("mpd_std", MAE, VLAE),
    *(
        Finding(metric, other, MAE)
        for other in (VLAE, RESNET)
        for metric in (
            "kmeans_10",
            "kmeans_20",
            "kmeans_30",
            "knn_100",
            "knn_1000",
            "knn_all",
            "linear_100",
            "linear_1000",
            "svm_linear_100",
            "svm_linear_1000",
            "svm_rbf_100",
            "svm_rbf_1000",
        )
    ),
]


def measured() -> dict[str, dict[str, Cell]]:
    """The cells of the published board of mnist at preset small, by model as written for `run`."""
    records = Store(content_folder("leaderboard") / "results").records()
    (task,) = resolve_tasks("mnist")
    (board,) = [board for board in boards(records, [task]) if (board.task, board.preset) == ("mnist", "small")]
    rows = {row.label: row.cells for row in board.rows}
    return {model: rows[resolve_models(model)[0].label] for model in NAMES}


def reported(model: str, metric: str) -> float:
    (task,) = resolve_tasks("mnist")
    (row,) = [row for row in task.reported if row.model == REPORTED[model]]
    return row.metrics[metric]


def table() -> str:
    """In Markdown. Holm's family is all the findings of the table."""
    cells = measured()
    pairs = [(cells[finding.lower][finding.metric], cells[finding.higher][finding.metric]) for finding in FINDINGS]
    p_values = [welch((low.mean, low.std, low.n), (high.mean, high.std, high.n)) for low, high in pairs]
    lines = ["| finding | in the paper | here | p | |", "|---|---|---|--:|---|"]
    for finding, (low, high), p_value, apart in zip(FINDINGS, pairs, p_values, holm(p_values), strict=True):
        metric = finding.metric
        paper = [format_value(metric, reported(model, metric)) for model in (finding.lower, finding.higher)]
        here = [format_mean(metric, cell.mean, cell.std) for cell in (low, high)]
        assert low.mean is not None
        assert high.mean is not None
        same_order = low.mean < high.mean
        verdict = ("**holds**" if same_order else "**reversed**") if apart else ("so" if same_order else "not so")
        lines.append(
            f"| {metric_kind(metric).title}: {NAMES[finding.lower]} below {NAMES[finding.higher]} "
            f"| {paper[0]} < {paper[1]} | {here[0]}, {here[1]} | {p_value:.2g} | {verdict} |"
        )
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: f"{finding.metric}-{finding.lower}-{finding.higher}")
def test_the_paper_has_the_order_that_a_finding_says(finding: Finding) -> None:
    assert reported(finding.lower, finding.metric) < reported(finding.higher, finding.metric)


def test_the_page_shows_what_the_published_records_give() -> None:
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    assert rest.partition(END)[0] == table(), "write the table anew: python tests/test_findings.py"


if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(before + BEGIN + table() + END + rest.partition(END)[2], encoding="utf-8")
