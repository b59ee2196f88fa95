"""Which models of a board have a checkpoint, and what they answer to those who draw them. Runs none of them itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mae_bench.boards.aggregate import Board, Row
from mae_bench.foundation.errors import MaeBenchError
from mae_bench.foundation.seeding import numpy_generator
from mae_bench.planning.task import Task
from mae_bench.records.schema import Record
from mae_bench.report.figures.drawing import NothingToDraw, by_model, model_title

Array = NDArray[np.float32]
Indices = NDArray[np.int64]


class Gallery(Protocol):
    """The trained models of one task at one preset, and its test images, as `mae_bench.job.gallery.Gallery` has them.

    Images are [N, C, H, W] in [0, 1], representations [N, D]. MaeBenchError, one sentence with the reason, if a model
    cannot be loaded or does not answer.
    """

    @property
    def test_labels(self) -> NDArray[np.int64]:
        """The class of every test image, [N]."""
        ...

    def originals(self, indices: Indices) -> Array:
        """Those test images."""
        ...

    def reconstructions(self, record: Record, weights: Path, indices: Indices) -> Array:
        """What the model of `record` makes of those test images."""
        ...

    def samples(self, record: Record, weights: Path, count: int) -> Array:
        """The first images that the model draws."""
        ...

    def representations(self, record: Record, weights: Path, indices: Indices) -> Array:
        """How the model represents those test images."""
        ...


@dataclass(frozen=True)
class Trained:
    """One model of a board: the lowest of its seeds that has a checkpoint. rank: the row's on the board, from 0."""

    row: Row
    record: Record
    weights: Path
    rank: int

    @property
    def title(self) -> str:
        """What figures call the model."""
        return model_title(self.row)


@dataclass(frozen=True)
class Answer:
    """What a model answered to a question."""

    model: Trained
    array: Array


class TrainedModels:
    """The models of `board` that have checkpoints, in the order of panels, and the test images of its task.

    gallery_of: loads the images of a task at a preset, and asks its models; MaeBenchError if it cannot. weights_of: the
    checkpoint of a record, None if there is none. missing: one clause that names the models without a checkpoint; empty
    if all have one.
    """

    def __init__(
        self,
        board: Board,
        task: Task | None,
        gallery_of: Callable[[Task, str], Gallery],
        weights_of: Callable[[Record], Path | None],
    ) -> None:
        self.board, self._task, self._gallery_of = board, task, gallery_of
        self.models: list[Trained] = []
        without: list[str] = []
        for row in by_model(board.rows):
            by_seed = sorted(row.records, key=lambda record: record.seed)
            found = next(((record, path) for record in by_seed if (path := weights_of(record))), None)
            if found is None:
                without.append(model_title(row))
            else:
                self.models.append(Trained(row, *found, rank=board.rows.index(row)))
        self.missing = [f"no checkpoint of {', '.join(without)}"] if without else []

    def all(self) -> list[Trained]:
        """All of them; NothingToDraw if there are none."""
        if not self.models:
            raise NothingToDraw("no model has a checkpoint; name the store that has them by --checkpoints")
        return self.models

    @property
    def task(self) -> Task:
        """The task of the board; NothingToDraw if it is not known."""
        if self._task is None:
            raise NothingToDraw(f"there is no task {self.board.task} here; give the path of its file by --tasks")
        return self._task

    @cached_property
    def gallery(self) -> Gallery:
        """What asks the models. NothingToDraw if the task's images are not the records' or cannot be loaded."""
        declared = self.task.resolved(self.board.preset)
        recorded = self.board.rows[0].records[0].protocol
        if any(recorded.get(part) != declared.get(part) for part in ("seed", "data", "subset")):
            raise NothingToDraw("the task's file has other images than the records; run the models again")
        try:
            return self._gallery_of(self.task, self.board.preset)
        except MaeBenchError as error:
            raise NothingToDraw(_clause(error)) from error

    def test_images(self, count: int, purpose: str) -> Indices:
        """The indices of `count` test images, or of all if there are fewer, drawn by the task's seed for `purpose`."""
        order = numpy_generator(self.task.seed, "figures", purpose).permutation(len(self.gallery.test_labels))
        return np.sort(order[:count])

    def ask(
        self, models: Sequence[Trained], question: Callable[[Gallery, Trained], Array]
    ) -> tuple[list[Answer], list[str]]:
        """What each of `models` answers, and one clause for each that gives no answer; NothingToDraw if none does."""
        answers, left_out = [], []
        for model in models:
            try:
                answers.append(Answer(model, question(self.gallery, model)))
            except MaeBenchError as error:
                left_out.append(f"{model.title}: {_clause(error)}")
        if not answers:
            raise NothingToDraw("; ".join(left_out))
        return answers, left_out


def _clause(error: MaeBenchError) -> str:
    """The error's sentence without its full stop."""
    return str(error).rstrip(".")
