"""Which findings of the paper the published records at preset small show, each with its test.

`make findings` writes the table of docs/findings.md anew, after records were published.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mae_bench.boards.aggregate import Board, Cell, boards
from mae_bench.boards.significance import holm, welch
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.planning.registry import resolve_models, resolve_tasks
from mae_bench.records.store import Store
from mae_bench.report.layout import format_mean, format_value

PAGE = Path(__file__).parents[1] / "docs" / "findings.md"
PUBLISHED = Path(__file__).parent / "results"
BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"


@dataclass(frozen=True)
class System:
    """A row of one of the paper's tables, and the model as written for `run` that stands for it here.

    name: for this page; η is 1 and γ is 0.5 where it gives none.
    """

    name: str
    model: str
    reported: str
    task: str = "mnist"


MAE = System("MAE", "mae", "MAE (η=1.0, γ=0.5)")
VLAE = System("VLAE", "vlae", "VLAE with free bits")
NO_FREE_BITS = System("VLAE without free bits", "vlae[free_bits=0]", "VLAE without free bits")
RESNET = System("ResNet VAE", "resnet_vae", "ResNet VAE with AF")
LOW_ETA = System("MAE of η=0.5", "mae[eta=0.5]", "MAE (η=0.5, γ=0.5)")
HIGH_ETA = System("MAE of η=2", "mae[eta=2.0]", "MAE (η=2.0, γ=0.5)")
LOW_GAMMA = System("MAE of γ=0.1", "mae[gamma=0.1]", "MAE (η=1.0, γ=0.1)")
HIGH_GAMMA = System("MAE of γ=1", "mae[gamma=1.0]", "MAE (η=1.0, γ=1.0)")
CIFAR_MAE = System("MAE of η=0.5, γ=1.5 on CIFAR-10", "mae[eta=0.5,gamma=1.5]", "MAE (η=0.5, γ=1.5)", "cifar10")
CIFAR_VLAE = System("VLAE on CIFAR-10", "vlae", "VLAE (re-impl)", "cifar10")


@dataclass(frozen=True)
class Finding:
    """Of two systems, which has the lower value of a metric in the paper's tables."""

    metric: str
    lower: System
    higher: System
    reported_as: str | None = None
    """The metric of the paper's table where ours is another form of it: clusters labelled by majority vote."""


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
    Finding("kl", LOW_ETA, HIGH_ETA),
    Finding("reconstruction_error", HIGH_ETA, LOW_ETA),
    Finding("mpd", LOW_ETA, HIGH_ETA),
    Finding("mpd_std", LOW_ETA, HIGH_ETA),
    Finding("kl", HIGH_GAMMA, LOW_GAMMA),
    Finding("mpd", HIGH_GAMMA, LOW_GAMMA),
    Finding("mpd_std", HIGH_GAMMA, LOW_GAMMA),
    Finding("nll", MAE, LOW_GAMMA),
    Finding("nll", MAE, HIGH_GAMMA),
    Finding("bits_per_dim", CIFAR_MAE, CIFAR_VLAE),
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
    *(
        Finding(f"kmeans_{clusters}_majority", other, MAE, reported_as=f"kmeans_{clusters}")
        for other in (VLAE, RESNET)
        for clusters in (10, 20, 30)
    ),
]


@cache
def published_board(task_name: str) -> Board:
    """The board of the task's present version at preset small."""
    (task,) = resolve_tasks(task_name)
    records = [record for record in Store(PUBLISHED).records() if record.task.name == task_name]
    (board,) = [board for board in boards(records, [task]) if (board.version, board.preset) == (task.version, "small")]
    return board


def measured(system: System, metric: str) -> Cell:
    (model,) = resolve_models(system.model)
    (row,) = [row for row in published_board(system.task).rows if row.label == model.label]
    return row.cells[metric]


def in_the_paper(finding: Finding) -> tuple[float, float]:
    """The reported values of the lower and of the higher system."""
    values = []
    for system in (finding.lower, finding.higher):
        (task,) = resolve_tasks(system.task)
        (row,) = [row for row in task.reported if row.model == system.reported]
        values.append(row.metrics[finding.reported_as or finding.metric])
    return values[0], values[1]


def table() -> str:
    """In Markdown. Holm's family is all the findings of the table."""
    pairs = [
        (measured(finding.lower, finding.metric), measured(finding.higher, finding.metric)) for finding in FINDINGS
    ]
    p_values = [welch((low.mean, low.std, low.n), (high.mean, high.std, high.n)) for low, high in pairs]
    lines = ["| finding | in the paper | here | p | |", "|---|---|---|--:|---|"]
    for finding, (low, high), p_value, apart in zip(FINDINGS, pairs, p_values, holm(p_values), strict=True):
        metric = finding.metric
        paper = [format_value(metric, value) for value in in_the_paper(finding)]
        here = [format_mean(metric, cell.mean, cell.std) for cell in (low, high)]
        assert low.mean is not None
        assert high.mean is not None
        same_order = low.mean < high.mean
        verdict = ("**holds**" if same_order else "**reversed**") if apart else ("so" if same_order else "not so")
        lines.append(
            f"| {metric_kind(metric).title}: {finding.lower.name} below {finding.higher.name} "
            f"| {paper[0]} < {paper[1]} | {here[0]}, {here[1]} | {p_value:.2g} | {verdict} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(before + BEGIN + table() + END + rest.partition(END)[2], encoding="utf-8")
