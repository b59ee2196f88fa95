"""What a `fit` of its own reports of its epochs: checked, counted, and kept in a file for a job that is resumed."""

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.errors import TrainingError, UsageError
from mae_bench.records.schema import LONGEST_DESCRIPTION

REPORTS_FILE = "reported.json"
"""In a job's working directory until its training is complete: the epochs that `fit` has reported."""


class Reports:
    """The epochs that `fit` has reported in `folder`, here and in earlier processes; `curve` is that of the record."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / REPORTS_FILE
        self._epochs: list[dict[str, Any]] = _read(self._path)
        self._began = False
        self.made = False
        """Whether any was made in this process."""
        self.steps: int = self._epochs[-1]["row"]["step"] if self._epochs else 0
        """Taken so far: those of the last report, and the training batches since."""
        self.steps_in_all = 0
        """That `fit` means to take; 0 if it has not said how many epochs."""
        self.note = ""
        self.seconds_before = self._seconds()
        """What earlier processes took for the epochs that are kept of them."""

    @property
    def curve(self) -> list[dict[str, Any]]:
        """A row of the record for each epoch."""
        return [one["row"] for one in self._epochs]

    def resume_at(self, number: int) -> None:
        """A pass over the training images begins that `number` went before: at the first here, keep so many epochs."""
        if not self._began:
            self._keep(number)

    def add(
        self,
        epoch: int,
        train: float | Mapping[str, float],
        validation: float | None,
        step: int | None,
        *,
        learning_rate: float | None,
        epochs: int | None,
        seconds: float,
    ) -> None:
        """Add an epoch; the first one here takes the place of those from it on. seconds: of training in this process.

        UsageError if `epoch` or `step` does not follow the one before, TrainingError for a number that is not finite.
        """
        if not self._began:
            self._keep(epoch - 1)  # those from it on were of a process that was killed
        if epoch != len(self._epochs) + 1:
            raise UsageError(
                f"fit reports epoch {epoch} after epoch {len(self._epochs)}; report every epoch in turn, and where fit "
                "resumes, give context.loader the epochs that are done (epoch=...)."
            )
        self.made = True
        terms = {"loss": train} if isinstance(train, int | float) else dict(train)
        for name, value in {**terms, "validation": validation, "learning_rate": learning_rate}.items():
            if value is not None and not isfinite(value):
                raise TrainingError(
                    f"training stopped: fit reports {name} {value} at epoch {epoch}, which is not finite; lower the "
                    "learning rate or correct the model."
                )
        _check_names(terms)
        before = self._epochs[-1]["row"]["step"] if self._epochs else 0
        taken = self.steps if step is None else step
        if taken <= before:
            raise UsageError(
                f"fit reports epoch {epoch} after {taken} steps, which are no more than the {before} before it; take "
                "the batches from context.loader, which counts them, or give the number of all steps so far (step=...)."
            )
        self.steps = taken
        row = {
            "epoch": epoch,
            "step": taken,
            "learning_rate": None if learning_rate is None else float(learning_rate),
            "train": {name: float(value) for name, value in terms.items()},
            "validation_negative_elbo": None,
            "validation_loss": None if validation is None else float(validation),
        }
        self._epochs.append({"row": row, "seconds": self.seconds_before + seconds})
        self.steps_in_all = round(taken / epoch * epochs) if epochs else 0
        self.note = _note(epoch, epochs, row)
        write_atomically(self._path, json.dumps(self._epochs).encode())

    def remove_file(self) -> None:
        """The training is complete."""
        self._path.unlink(missing_ok=True)

    def _keep(self, count: int) -> None:
        """The first `count` epochs alone, of those that earlier processes reported."""
        self._began = True
        del self._epochs[max(0, count) :]
        self.steps = self._epochs[-1]["row"]["step"] if self._epochs else 0
        self.seconds_before = self._seconds()

    def _seconds(self) -> float:
        return float(self._epochs[-1]["seconds"]) if self._epochs else 0.0


def _read(path: Path) -> list[dict[str, Any]]:
    """What an earlier process wrote; nothing if there is no such file, or if it is damaged."""
    try:
        epochs: list[dict[str, Any]] = json.loads(path.read_bytes())
        return epochs if all({"row", "seconds"} <= one.keys() for one in epochs) else []
    except (OSError, ValueError, AttributeError, TypeError):
        return []


def _check_names(terms: Mapping[str, object]) -> None:
    if "loss" not in terms:
        raise UsageError('fit reports train without a "loss"; give one number, or a mapping that has it.')
    if bad := [name for name in terms if not name.isprintable() or not 0 < len(name) <= LONGEST_DESCRIPTION]:
        raise UsageError(f"fit reports a term called {bad[0]!r}; give it a short name that can be printed.")


def _note(epoch: int, epochs: int | None, row: Mapping[str, Any]) -> str:
    of = f"/{epochs}" if epochs else ""
    validation = row["validation_loss"]
    said = "" if validation is None else f", validation loss {validation:.2f}"
    return f"epoch {epoch}{of}, loss {row['train']['loss']:.2f}{said}"
