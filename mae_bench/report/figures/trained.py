"""Trained models: which of a board's have a checkpoint, and what they answer. Imports the code that records name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mae_bench.adapter import Adapter, NotSupported
from mae_bench.checkpoint import load_checkpoint
from mae_bench.data import DataSet, load_data
from mae_bench.errors import MaeBenchError, describe
from mae_bench.metrics.answers import seeded
from mae_bench.records.aggregate import Board, Row
from mae_bench.records.schema import Record
from mae_bench.records.store import Store
from mae_bench.registry import build_adapter
from mae_bench.report.figures.drawing import NothingToDraw, by_model, model_title
from mae_bench.rerun import checkpoint_of, find_model
from mae_bench.seeding import derive_seed, numpy_generator
from mae_bench.task import Task
from mae_bench.text import quoted

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Checkpoints:
    """Where the weights of records lie, and the code that they belong to.

    store: the records, with their working directories beside them. elsewhere: another store that has the weights.
    """

    store: Store
    elsewhere: Path | None
    model_files: Sequence[Path]
    device: str

    def of(self, record: Record) -> Path | None:
        """The weights of `record`, or None."""
        return checkpoint_of(record, self.store.path_of(record), self.elsewhere)


@dataclass(frozen=True)
class Trained:
    """One model of a board: of its seeds the lowest that has a checkpoint."""

    row: Row
    record: Record
    weights: Path
    rank: int
    """Of the row on the board; 0 is the best."""

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

    missing: one clause that names the models without a checkpoint; none where all have one.
    """

    def __init__(self, board: Board, task: Task | None, checkpoints: Checkpoints) -> None:
        self.board = board
        self.checkpoints = checkpoints
        self.models: list[Trained] = []
        without: list[str] = []
        self._task = task
        for row in by_model(board.rows):
            by_seed = sorted(row.records, key=lambda record: record.seed)
            pairs = [(record, checkpoints.of(record)) for record in by_seed]
            found = next(((record, path) for record, path in pairs if path), None)
            if found is None:
                without.append(model_title(row))
            else:
                self.models.append(Trained(row, *found, rank=board.rows.index(row)))
        self.missing = [f"no checkpoint of {', '.join(without)}"] if without else []

    def all(self) -> list[Trained]:
        """All of them; NothingToDraw where there are none."""
        if not self.models:
            raise NothingToDraw("no model has a checkpoint; name the store that has them by --checkpoints")
        return self.models

    @property
    def task(self) -> Task:
        """The task of the board; NothingToDraw where it is not known."""
        if self._task is None:
            raise NothingToDraw(f"there is no task {self.board.task} here; give the path of its file by --tasks")
        return self._task

    @cached_property
    def data(self) -> DataSet:
        """The images of the task at the preset; NothingToDraw where they are not those of the records."""
        declared = self.task.resolved(self.board.preset)
        recorded = self.board.rows[0].records[0].protocol
        if any(recorded.get(part) != declared.get(part) for part in ("seed", "data", "subset")):
            raise NothingToDraw("the task's file has other images than the records; run the models again")
        try:
            return load_data(self.task, self.checkpoints.device, preset=self.board.preset)
        except MaeBenchError as error:
            raise NothingToDraw(str(error).rstrip(".")) from error

    def test_images(self, count: int, purpose: str) -> Tensor:
        """Indices of so many test images, or of all where there are fewer, drawn by the task's seed for the purpose."""
        order = numpy_generator(self.task.seed, "figures", purpose).permutation(len(self.data.test))
        return torch.from_numpy(np.sort(order[:count]))

    def ask(self, models: Sequence[Trained], question: Callable[[Adapter], Array]) -> tuple[list[Answer], list[str]]:
        """What each of `models` answers, and one clause for each that gives no answer.

        Every model is asked with the same random state, drawn from the task's seed.
        """
        answers, left_out = [], []
        for model in models:
            try:
                adapter = self.load(model)
                with torch.no_grad(), self._seeded(), torch.backends.cudnn.flags(enabled=True, deterministic=True):
                    answers.append(Answer(model, question(adapter)))
            except (NotSupported, MaeBenchError) as error:
                left_out.append(f"{model.title}: {str(error).rstrip('.')}")
            except Exception as error:
                left_out.append(f"{model.title} does not answer ({quoted(describe(error))}); mend the adapter")
        return answers, left_out

    def load(self, model: Trained) -> Adapter:
        """The model as it was scored. MaeBenchError where its code or its weights are not those of the record."""
        reference = find_model(model.record, self.checkpoints.model_files)
        with self._seeded():  # for the weights that it is built with, so that no other random state moves
            adapter = build_adapter(reference, self.data.spec, self.board.preset).to(self.checkpoints.device)
        weights = load_checkpoint(model.weights, self.checkpoints.device)
        assert weights is not None, "it was there a moment ago"
        try:
            adapter.load_state_dict(weights[0])
        except RuntimeError as error:
            raise MaeBenchError(
                f"checkpoint {model.record.key} holds the weights of another model; delete it and run its job again."
            ) from error
        return adapter.eval()

    def _seeded(self) -> AbstractContextManager[None]:
        return seeded(derive_seed(self.task.seed, "figures"), torch.device(self.checkpoints.device))
