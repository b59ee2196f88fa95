"""t-SNE of the latent space of every model, in the arrangement of the paper's Figure 5."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mae_bench.boards.aggregate import Row
from mae_bench.foundation.errors import MaeBenchError
from mae_bench.foundation.seeding import derive_seed
from mae_bench.report.figures.drawing import (
    WIDTH,
    Drawing,
    caption_title,
    free_bits,
    grid_place,
    panel_figure,
    wrapped,
)
from mae_bench.report.figures.trained import Answer, Array, TrainedModels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

IMAGES = 2000
PERPLEXITY = 30.0
ETAS, GAMMAS = (0.5, 1.0, 2.0), (0.1, 0.5, 1.0)
"""The grid of the paper's figure."""
FIRST_ROW: dict[str, Callable[[Row], bool]] = {
    "ResNet VAE": lambda row: row.name == "resnet_vae",
    "VLAE without free bits": lambda row: free_bits(row) == 0.0,
    "VLAE with free bits": lambda row: bool(free_bits(row)),
}
COLOURS = (
    "#332288", "#88ccee", "#44aa99", "#117733", "#999933", "#ddaa33", "#cc6677", "#882255", "#aa4499", "#555555",
)  # fmt: skip
"""The classes' colours: Tol's muted palette, its sand a little darker and its pale grey replaced by a dark one."""
OTHER_CLASSES = "#d4d4d4"


def draw_tsne(models: TrainedModels) -> Drawing:
    """One panel for each model; a place of the arrangement without a model is empty and says so."""
    from matplotlib.lines import Line2D

    chosen, indices = models.all(), models.test_images(IMAGES, "t-SNE")
    seed = derive_seed(models.task.seed, "figures", "t-SNE")
    answers, faults = models.ask(
        chosen, lambda gallery, model: embed(gallery.representations(model.record, model.weights, indices), seed)
    )
    labels = models.gallery.test_labels[indices]
    colours = class_colours(labels[labels >= 0])  # -1: the task has no labels
    records = tuple(answer.model.record for answer in answers)
    title = caption_title("t-SNE of the latent space", models.board, records)
    arranged = arrange(answers)
    columns = max(map(len, arranged))
    figure, panels = panel_figure(title, len(arranged), columns)
    for row, axes_of_row in zip(arranged, panels, strict=True):
        for (name, answer), axes in zip(row, axes_of_row, strict=False):
            axes.set_axis_on()
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, color="#cccccc")
            axes.set_title(wrapped(name, WIDTH / columns))
            if answer is None:
                axes.text(0.5, 0.5, "missing", transform=axes.transAxes, ha="center", va="center", color="#777777")
            else:
                _scatter(axes, answer.array, labels, colours)
    marks = [
        Line2D([], [], color=colour, marker="o", linestyle="none", label=str(label))
        for label, colour in colours.items()
    ]
    caption = (
        f"Representations of {len(indices)} test images, the same for every model, as t-SNE (Maaten & Hinton, 2008) "
        f"with perplexity {perplexity_of(len(indices)):g} lays them out."
    )
    if colours:
        figure.legend(handles=marks, loc="outside lower center", ncols=len(marks), title="class", handletextpad=0.0)
        caption += " A number stands at the median of its class."
    if 0 < len(colours) < len(np.unique(labels)):
        caption += f" The {len(colours)} most frequent classes have colours, all others are grey."
    return Drawing(figure, title, caption, records, line_work=False, left_out=(*models.missing, *faults))


def arrange(answers: Sequence[Answer]) -> list[list[tuple[str, Answer | None]]]:
    """Rows of (panel title, answer or None): the first as in the paper's figure; then MAE, a row for each gamma and a
    column for each eta; then all others, three to a row.

    The grid has all values that the models have, and those of the paper if several models lie on it.
    """
    places = {place: answer for answer in answers if (place := grid_place(answer.model.row))}
    in_first_row = {
        name: next((answer for answer in answers if belongs(answer.model.row)), None)
        for name, belongs in FIRST_ROW.items()
    }
    rows: list[list[tuple[str, Answer | None]]] = [
        [(answer.model.title if answer else name, answer) for name, answer in in_first_row.items()]
    ]
    on_paper = sum(eta in ETAS and gamma in GAMMAS for eta, gamma in places) > 1
    etas = sorted({eta for eta, _ in places} | set(ETAS if on_paper else ()))
    gammas = sorted({gamma for _, gamma in places} | set(GAMMAS if on_paper else ()))
    rows += [[(f"MAE η={eta}, γ={gamma}", places.get((eta, gamma))) for eta in etas] for gamma in gammas]
    placed = [answer.model for row in rows for _, answer in row if answer]
    others = [(answer.model.title, answer) for answer in answers if answer.model not in placed]
    return rows + [list(others[start : start + 3]) for start in range(0, len(others), 3)]


def embed(representations: Array, seed: int) -> Array:
    """t-SNE of [N, D] -> [N, 2], on one thread, so that sums have one order. MaeBenchError if it cannot."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if not np.isfinite(representations).all():
        raise MaeBenchError("its representations are not finite")
    if (representations == representations[0]).all():
        raise MaeBenchError("its representations are all the same")
    n, dimensions = representations.shape
    tsne = TSNE(
        n_components=2,
        perplexity=perplexity_of(n),
        init="pca" if dimensions > 1 else "random",
        learning_rate="auto",
        random_state=seed % 2**32,
    )
    with threadpool_limits(1):
        embedded: Array = tsne.fit_transform(representations)
    return embedded


def perplexity_of(images: int) -> float:
    """PERPLEXITY, or a third of the images if they are too few for it."""
    return max(1.0, min(PERPLEXITY, images // 3))


def class_colours(labels: NDArray[np.int64]) -> dict[int, str]:
    """The colour of each class, or of the most frequent ones if there are more classes than colours."""
    classes, counts = np.unique(labels, return_counts=True)
    frequent = sorted(classes[np.argsort(-counts, kind="stable")][: len(COLOURS)].tolist())
    return dict(zip(frequent, COLOURS, strict=False))


def _scatter(axes: Axes, points: Array, labels: NDArray[np.int64], colours: dict[int, str]) -> None:
    from matplotlib.patheffects import withStroke

    of_points = [colours.get(label, OTHER_CLASSES) for label in labels.tolist()]
    axes.scatter(points[:, 0], points[:, 1], c=of_points, s=min(12.0, 4000 / len(points)), linewidths=0)
    axes.set_aspect("equal", adjustable="datalim")
    for label in colours:
        x, y = np.median(points[labels == label], axis=0)
        halo = [withStroke(linewidth=2, foreground="white")]
        axes.text(x, y, str(label), weight="bold", ha="center", va="center", path_effects=halo)
