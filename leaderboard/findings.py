"""Which findings of the paper and which orders of other models the published records at preset small show.

`make findings` writes the tables of docs/findings.md and docs/models.md anew, after records were published.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf
from pathlib import Path

from mae_bench.boards.aggregate import Board, Cell, boards
from mae_bench.boards.significance import holm, welch
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.planning.registry import resolve_models, resolve_tasks
from mae_bench.records.store import Store
from mae_bench.report.layout import format_mean, format_value

DOCS = Path(__file__).parents[1] / "docs"
PUBLISHED = Path(__file__).parent / "results"


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


@dataclass(frozen=True)
class Order:
    """Of two models, as written for `run`, which has the lower NLL on digits according to `source`."""

    lower: str
    higher: str
    source: str


ORDERS = [
    Order("iwae", "vae", "Burda et al. (2016)"),
    Order("vampprior", "vae", "Tomczak & Welling (2018)"),
    Order("lvae", "vae", "Sønderby et al. (2016)"),
    Order("sa_vae", "vae", "Kim et al. (2018)"),
    Order("iaf_vae", "iaf_vae[steps=0]", "Kingma et al. (2016)"),
    Order("gated_pixelcnn", "pixelcnn", "van den Oord et al. (2016b)"),
    Order("pixelcnn_pp", "pixelcnn", "Salimans et al. (2017)"),
    Order("pixelrnn", "pixelcnn", "van den Oord et al. (2016a)"),
    Order("pixelcnn", "real_nvp", "Dinh et al. (2017)"),
    Order("pixelsnail", "pixelcnn", "Chen et al. (2018)"),
    Order("vlae", "pixelcnn", "latents beside a PixelCNN decoder"),
    Order("mae", "pixelcnn", "latents beside a PixelCNN decoder"),
    Order("iaf_vae[objective=mae]", "iaf_vae", "MAE's term on another network; nobody's yet"),
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


def table_of_findings() -> str:
    """In Markdown. Holm's family is all the findings of the table."""
    pairs = [
        (measured(finding.lower, finding.metric), measured(finding.higher, finding.metric)) for finding in FINDINGS
    ]
    lines = ["| finding | in the paper | here | p | |", "|---|---|---|--:|---|"]
    for finding, tested in zip(FINDINGS, _tested([finding.metric for finding in FINDINGS], pairs), strict=True):
        paper = [format_value(finding.metric, value) for value in in_the_paper(finding)]
        title = metric_kind(finding.metric).title
        order = f"{title}: {finding.lower.name} below {finding.higher.name}"
        lines.append(f"| {order} | {paper[0]} < {paper[1]} | {tested}")
    return "\n".join(lines) + "\n"


def table_of_orders() -> str:
    """In Markdown. Holm's family is all the orders of the table."""
    pairs = []
    for order in ORDERS:
        lower, higher = (System(model, model, "", "digits") for model in (order.lower, order.higher))
        pairs.append((measured(lower, "nll"), measured(higher, "nll")))
    lines = ["| NLL | according to | here | p | |", "|---|---|---|--:|---|"]
    for order, tested in zip(ORDERS, _tested(["nll"] * len(pairs), pairs), strict=True):
        lines.append(f"| `{order.lower}` below `{order.higher}` | {order.source} | {tested}")
    return "\n".join(lines) + "\n"


def _tested(metrics: Sequence[str], pairs: Sequence[tuple[Cell, Cell]]) -> Iterator[str]:
    """The last three columns of each pair's line: both values, p and the verdict."""
    p_values = [welch((low.mean, low.std, low.n), (high.mean, high.std, high.n)) for low, high in pairs]
    for metric, (low, high), p_value, apart in zip(metrics, pairs, p_values, holm(p_values), strict=True):
        assert low.mean is not None
        assert high.mean is not None
        here = [format_mean(metric, cell.mean, cell.std) for cell in (low, high)]
        same_order = low.mean < high.mean
        verdict = ("**holds**" if same_order else "**reversed**") if apart else ("so" if same_order else "not so")
        yield f"{here[0]}, {here[1]} | {p_value:.2g} | {verdict} |"


def table_of_models() -> str:
    """In Markdown: every model on digits, the best likelihood first."""
    board = published_board("digits")
    rows = sorted(board.rows, key=lambda row: row.cells["nll"].mean or inf)
    lines = ["| model | seeds | NLL | KL | KNN 100 |", "|---|--:|--:|--:|--:|"]
    for row in rows:
        values = [_shown(row.cells.get(metric), metric) for metric in ("nll", "kl", "knn_100")]
        lines.append(f"| `{row.label}` | {row.cells['nll'].n} | {' | '.join(values)} |")
    return "\n".join(lines) + "\n"


def _shown(cell: Cell | None, metric: str) -> str:
    return "–" if cell is None or cell.mean is None else format_mean(metric, cell.mean, cell.std)


TABLES = {
    "table": (DOCS / "findings.md", table_of_findings),
    "orders": (DOCS / "findings.md", table_of_orders),
    "models": (DOCS / "models.md", table_of_models),
}
"""By the name in the comments between which it stands: the page and what makes it."""


def marks(name: str) -> tuple[str, str]:
    """The comments before and after a table."""
    return f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"


if __name__ == "__main__":
    for name, (page, table) in TABLES.items():
        begin, end = marks(name)
        before, _, rest = page.read_text(encoding="utf-8").partition(begin)
        page.write_text(before + begin + table() + end + rest.partition(end)[2], encoding="utf-8")
