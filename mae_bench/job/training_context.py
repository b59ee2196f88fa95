"""What `fit` is given (`mae_bench.adapter.FitContext`): the default loop, or all that a loop of its own needs."""

import time
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from mae_bench.adapter import Adapter, Images, OutOfTime, Progress
from mae_bench.foundation.errors import UsageError
from mae_bench.foundation.interruption import deferred
from mae_bench.foundation.seeding import derive_seed
from mae_bench.job.checkpoint import TRAINING_FILE
from mae_bench.job.loader import make_loader
from mae_bench.job.own_settings import replace_settings
from mae_bench.job.reports import Reports
from mae_bench.job.settings import JobSettings
from mae_bench.job.training import TrainingLoop
from mae_bench.job.training_state import TrainingOutcome
from mae_bench.job.watching import CurveWatcher, unwatched
from mae_bench.planning.task import SplitSizes, TrainingSettings

OWN_FIT = "the model's own fit"
"""The reason in a record whose training the default loop does not describe."""


class TrainingContext:
    """`mae_bench.adapter.FitContext`, and how the training ended once `fit` has returned.

    job_settings.max_minutes counts the minutes of training in this process. job_settings.compile and
    matrix_precision are for a training that begins here; a resumed one continues as it began. sizes: of the task's own
    images, to tell whether `fit` passes others to the default loop.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        *,
        seed: int,
        device: torch.device,
        checkpoint_directory: Path,
        progress: Progress,
        curve: CurveWatcher = unwatched,
        job_settings: JobSettings = JobSettings(),  # noqa: B008 (frozen)
        sizes: SplitSizes | None = None,
    ) -> None:
        self.settings = settings
        self.seed = seed
        self.device = device
        self.generator = torch.Generator(device=device)
        self.generator.manual_seed(derive_seed(seed, "training bits"))
        self.checkpoint_directory = checkpoint_directory
        self.progress = progress
        self.curve = curve
        self.job_settings = job_settings
        self.sizes = sizes
        self.training_path = checkpoint_directory / TRAINING_FILE
        self.trainings: list[TrainingOutcome] = []
        """Of the default loop, in the order of its calls."""
        self.reports = Reports(checkpoint_directory)
        self.cut_short = False
        """Whether `fit` was told that the time is out."""
        self._started: float | None = None
        self._seconds_before = 0.0
        """What earlier processes took for the trainings by the default loop."""

    # -- the default loop ---------------------------------------------------------------------------------------------

    def train(self, adapter: Adapter, train: Images, validation: Images, **settings: Any) -> None:
        """Train `adapter`, and leave the weights of its best validation in it.

        settings: fields of `TrainingSettings` that replace the task's. A second call has random states and a checkpoint
        of its own. TrainingError if a loss is not finite or explodes, or if there is none; UsageError for an unknown
        setting or a value that one cannot have, and after `report`; OutOfTime if the call before was cut short.
        """
        if self.reports.made:
            raise UsageError(_BOTH)
        merged, stage = replace_settings(self.settings, settings), self._stage()
        started = time.monotonic()
        with deferred():  # a signal is met between two steps, after a checkpoint
            outcome = TrainingLoop(stage, merged, adapter, train, validation).run()
        self._seconds_before += max(0.0, outcome.seconds - (time.monotonic() - started))
        self.trainings.append(self._with_sizes(outcome, len(train), len(validation)))

    def tell_curve(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Tell of the epochs so far, `rows` of which are those of the present call of `train`."""
        self.curve(_joined([(one.curve, one.steps) for one in self.trainings] + [(rows, 0)]))

    def _stage(self) -> "TrainingContext":
        """This context, or for a second training one with a seed, a checkpoint and the minutes left of its own."""
        elapsed, number = self._elapsed_minutes(), len(self.trainings) + 1
        if number == 1:
            return self
        self._raise_if_out_of_time()
        stage, limit = copy(self), self.job_settings.max_minutes
        stage.seed = derive_seed(self.seed, "training", number)
        stage.training_path = self._path_of(number)
        if limit is not None:
            stage.job_settings = replace(self.job_settings, max_minutes=limit - elapsed)
        return stage

    def _with_sizes(self, outcome: TrainingOutcome, train: int, validation: int) -> TrainingOutcome:
        """Says how many images there were, if they are not as many as the task's own."""
        if self.sizes is None or (train, validation) == (self.sizes.train, self.sizes.validation):
            return outcome
        return replace(outcome, train_images=train, validation_images=validation)

    # -- a loop of the model's own ------------------------------------------------------------------------------------

    def loader(
        self, images: Images, batch_size: int | None = None, *, shuffle: bool = True, epoch: int = 0
    ) -> DataLoader[Tensor]:
        """As `mae_bench.adapter.FitContext.loader` says."""
        self._elapsed_minutes()
        size = batch_size or self.settings.batch_size
        return make_loader(
            images,
            size,
            seed=self.seed,
            device=self.device,
            shuffle=shuffle,
            first_pass=epoch,
            before_pass=self.reports.resume_at if shuffle else None,
            before_batch=self._count_batch if shuffle else self._raise_if_out_of_time,
        )

    def report(
        self,
        *,
        epoch: int,
        train: float | Mapping[str, float],
        validation: float | None = None,
        step: int | None = None,
        learning_rate: float | None = None,
        epochs: int | None = None,
    ) -> None:
        """As `mae_bench.adapter.FitContext.report` says."""
        if self.trainings:
            raise UsageError(_BOTH)
        minutes = self._elapsed_minutes()
        self.reports.add(
            epoch, train, validation, step, learning_rate=learning_rate, epochs=epochs, seconds=60 * minutes
        )
        self._tell()
        self.curve(self.reports.curve)
        if epoch != epochs:
            self._raise_if_out_of_time()

    def _count_batch(self) -> None:
        self._raise_if_out_of_time()
        self._tell()
        self.reports.steps += 1

    def _tell(self) -> None:
        self.progress("training", self.reports.steps, self.reports.steps_in_all, self.reports.note)

    # -- the clock ----------------------------------------------------------------------------------------------------

    def _elapsed_minutes(self) -> float:
        """Since the first call of any of the three above, in this process."""
        now = time.monotonic()
        self._started = now if self._started is None else self._started
        return (now - self._started) / 60

    def _raise_if_out_of_time(self) -> None:
        limit = self.job_settings.max_minutes
        if limit is not None and self._elapsed_minutes() > limit:
            self.cut_short = True
        if self.cut_short or any(outcome.status == "partial" for outcome in self.trainings):
            self.cut_short = True
            raise OutOfTime(f"the {limit:g} minutes of training are over; catch this to restore weights, then return")

    # -- the outcome --------------------------------------------------------------------------------------------------

    @property
    def outcome(self) -> TrainingOutcome | None:
        """How the last training by the default loop ended; None if there was none."""
        return self.trainings[-1] if self.trainings else None

    def whole_outcome(self, seconds: float, threads: int) -> TrainingOutcome:
        """How all of `fit` ended. seconds: that `fit` took in this process; threads: that it began with."""
        if len(self.trainings) == 1:
            return self.trainings[0]
        status, reason = "complete", OWN_FIT
        if self.cut_short or any(one.status == "partial" for one in self.trainings):
            status = "partial"
            reason = f"{OWN_FIT}, cut short after {self.job_settings.max_minutes:g} minutes of training"
        if not self.trainings:
            rows, steps = self.reports.curve, self.reports.steps
            took = seconds + self.reports.seconds_before
            return TrainingOutcome(status, reason, len(rows), steps, None, rows, took, threads)
        rows = _joined([(one.curve, one.steps) for one in self.trainings])
        took, last = seconds + self._seconds_before, self.trainings[-1]
        return replace(
            last,
            status=status,
            reason=reason,
            epochs=len(rows),
            steps=sum(one.steps for one in self.trainings),
            best_epoch=None,
            curve=rows,
            seconds=took,
            compiled=any(one.compiled for one in self.trainings),
            own_settings=None,
            train_images=None,
            validation_images=None,
        )

    def remove_files(self) -> None:
        """Those that a training needs to go on, once it is complete."""
        self.training_path.unlink(missing_ok=True)
        for number in range(2, len(self.trainings) + 1):
            self._path_of(number).unlink(missing_ok=True)
        self.reports.remove_file()

    def _path_of(self, number: int) -> Path:
        """The checkpoint of the second training and of those after it."""
        return self.training_path.with_stem(f"{self.training_path.stem}-{number}")


_BOTH = (
    "fit calls both context.train and context.report, but the default loop reports its own epochs; leave the reports "
    "out, or train in a loop of your own."
)


def _joined(curves: Sequence[tuple[Sequence[Mapping[str, Any]], int]]) -> list[dict[str, Any]]:
    """The epochs of one training after another, counted through. curves: each with the steps of that training."""
    rows: list[dict[str, Any]] = []
    steps_before = 0
    for curve, steps in curves:
        rows += [{**row, "epoch": len(rows) + row["epoch"], "step": steps_before + row["step"]} for row in curve]
        steps_before += steps
    return rows
