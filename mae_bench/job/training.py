"""The default training loop: Adam, clipping, a Polyak average, rate halving, early stopping, checkpoints and resume.

Everything that decides the result is either a function of the job's seed and the step, or lies in the checkpoint; a job
that was killed at any moment and started again ends, on a CPU, in the same bits as one that was not.
"""

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mae_bench.adapter import Adapter, Images, Loss, NotSupported
from mae_bench.foundation.errors import TrainingError
from mae_bench.foundation.interruption import raise_if_requested, requested
from mae_bench.foundation.seeding import derive_seed, numpy_generator, seed_everything
from mae_bench.job.checkpoint import load_checkpoint
from mae_bench.job.compilation import compiled_loss
from mae_bench.job.cuda_graph import RecordedStep, check_cuda_graph
from mae_bench.job.own_settings import replaced_settings
from mae_bench.job.polyak import PolyakAverage
from mae_bench.job.precision import choose_precision, products_in
from mae_bench.job.training_state import TrainingOutcome, TrainingParts, TrainingState, restore_training, save_training
from mae_bench.metrics.answers import first_not_finite, seeded
from mae_bench.planning.task import TrainingSettings

if TYPE_CHECKING:
    from mae_bench.job.training_context import TrainingContext

STEPS_BETWEEN_CHECKS = 20
"""Losses are read from the device this often, so that a step does not wait for them."""
EXPLOSION = 100.0
"""A loss this many times the first one has exploded."""


class TrainingLoop:
    """One training: `run` continues from the checkpoint, if there is one, to the end."""

    def __init__(
        self,
        context: "TrainingContext",
        settings: TrainingSettings,
        adapter: Adapter,
        train: Images,
        validation: Images,
    ) -> None:
        self.context, self.settings = context, settings
        self.adapter, self.train, self.validation = adapter, train, validation
        self.recording = context.job_settings.cuda_graph
        if self.recording:
            check_cuda_graph(context.device, compiled=context.job_settings.compile)
        self.path = context.training_path
        self.batches = max(1, len(train) // settings.batch_size)
        self.state = TrainingState(
            settings.learning_rate,
            threads=torch.get_num_threads(),
            compiled=context.job_settings.compile,
            matrix_precision=choose_precision(context.job_settings.matrix_precision, settings, context.device),
        )
        self.unread: list[tuple[Tensor, dict[str, Tensor]]] = []
        self.best: dict[str, Tensor] = {}
        seed_everything(derive_seed(context.seed, "training"))
        checkpoint = load_checkpoint(self.path, context.device)
        if checkpoint is None:
            self._initialise()
        self.average = PolyakAverage(adapter, settings.polyak_decay)
        self.optimiser = self._fresh_optimiser()
        if checkpoint is not None:
            self.state, self.best = restore_training(*checkpoint, self._parts())
        self.validated_by_loss = False
        """Whether the model has turned out to have no density, and is validated by its own loss."""
        self.loss = compiled_loss(adapter, context.device) if self.state.compiled else adapter.loss
        self._renew_recording()
        self.started = self.saved_at = time.monotonic()
        self.seconds_before = self.state.seconds

    def run(self) -> TrainingOutcome:
        """Run epochs until the last halving falls due, or the epochs or the time run out."""
        reason = self._reason_to_end()
        if self.state.compiled:
            self._tell("compiling the first step")
        while reason is None:
            if not self._run_epoch():
                return self._cut_short()
            self._end_epoch()
            reason = self._reason_to_end()
            if reason is None:
                self._save_if_due()
        self.adapter.load_state_dict(self.best)
        return self._outcome("complete", reason)

    # -- one epoch ----------------------------------------------------------------------------------------------------

    def _run_epoch(self) -> bool:
        """The rest of the present epoch; False if the time ran out."""
        order = numpy_generator(self.context.seed, "order", self.state.epoch).permutation(len(self.train))
        indices = torch.from_numpy(order).to(self.context.device)
        self.adapter.train()
        while self.state.batch < self.batches:
            start = self.state.batch * self.settings.batch_size
            x = self.train.batch(indices[start : start + self.settings.batch_size], self.context.generator)
            try:
                self._step(x)
            except Exception:
                self._read_losses()  # one that is not finite breaks the next step, and is the reason to name
                raise
            self.state.batch += 1
            if self.state.step % STEPS_BETWEEN_CHECKS == 0 or self.state.batch == self.batches:
                self._read_losses()
            self._tell(self._note())
            if self._out_of_time():
                return False
            self._save_if_due()
        return True

    def _step(self, x: Tensor) -> None:
        for group in self.optimiser.param_groups:
            if self.recorded:
                group["lr"].fill_(self.state.learning_rate)
            else:
                group["lr"] = self.state.learning_rate
        ends = self.state.batch in {0, self.batches - 1}
        loss = self.recorded(x, check=ends) if self.recorded else self._update(x)
        self.state.learning_rate *= self.settings.learning_rate_decay
        self.state.step += 1
        self.unread.append((loss.total.detach(), {name: term.detach() for name, term in loss.terms.items()}))

    def _update(self, x: Tensor) -> Loss:
        """Everything in a step that the device computes once x is there."""
        self.optimiser.zero_grad(set_to_none=True)
        loss = self._ask_loss(x)
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(self.adapter.parameters(), self.settings.gradient_clip)
        self.optimiser.step()
        self.average.update(first=self.state.step == 0)
        return loss

    def _ask_loss(self, x: Tensor) -> Loss:
        """`loss(x)`; TrainingError if the model has none, so that nothing trains it."""
        try:
            with products_in(self.state.matrix_precision, self.context.device):
                return self.loss(x)
        except NotSupported as reason:
            raise TrainingError(f"{reason}; write it, or a fit of the model's own.") from reason

    def _read_losses(self) -> None:
        """Bring the losses since the last reading to the host, add them to the epoch's sums, stop at a bad one."""
        if not self.unread:
            return
        names = ["loss", *self.unread[0][1]]
        rows = torch.stack([torch.stack([total, *terms.values()]) for total, terms in self.unread]).double().tolist()
        first_step = self.state.step - len(rows) + 1
        self.unread.clear()
        for offset, row in enumerate(rows):
            self._check(first_step + offset, dict(zip(names, row, strict=True)))
            for name, value in zip(names, row, strict=True):
                self.state.sums[name] = self.state.sums.get(name, 0.0) + value

    def _check(self, step: int, losses: dict[str, float]) -> None:
        """TrainingError that names the step, the term and the last good checkpoint."""
        terms = [*(name for name in losses if name != "loss"), "loss"]
        bad = next((name for name in terms if not math.isfinite(losses[name])), None)
        what = "is not finite"
        if bad is None:
            if self.state.first_loss is None:
                self.state.first_loss = losses["loss"]
            limit = EXPLOSION * max(1.0, abs(self.state.first_loss))
            bad = next((name for name in terms if abs(losses[name]) > limit), None)
            what = f"exceeds {limit:.4g}, {EXPLOSION:g} times the first loss,"
        if bad is None:
            return
        good = f"the last good checkpoint is {self.path}" if self.path.exists() else "there is no checkpoint yet"
        raise TrainingError(
            f"training stopped at step {step}: {bad} {what} at {losses[bad]:.4g}; {good}; "
            "lower the learning rate or correct the model."
        )

    # -- between epochs -----------------------------------------------------------------------------------------------

    def _end_epoch(self) -> None:
        """Validate the Polyak average, keep it if it is the best so far, halve the rate if patience is exhausted."""
        state = self.state
        value = self._validate()
        state.epoch, state.batch = state.epoch + 1, 0
        means = {name: total / self.batches for name, total in state.sums.items()}
        state.sums = {}
        state.curve.append(
            {
                "epoch": state.epoch,
                "step": state.step,
                "learning_rate": state.learning_rate,
                "train": means,
                "validation_negative_elbo": None if self.validated_by_loss else value,
                "validation_loss": value if self.validated_by_loss else None,
            }
        )
        self.context.tell_curve(state.curve)
        if state.best_validation is None or value < state.best_validation:
            state.best_validation, state.best_epoch, state.epochs_without_gain = value, state.epoch, 0
            self.best = {name: tensor.clone() for name, tensor in self.average.adapter.state_dict().items()}
            return
        state.epochs_without_gain += 1
        if state.epochs_without_gain == self.settings.patience:
            state.halvings, state.epochs_without_gain = state.halvings + 1, 0
            state.learning_rate /= 2
            self.optimiser = self._fresh_optimiser()
            self._renew_recording()

    def _validate(self) -> float:
        """The negative ELBO on the validation images or, of a model without a density, its own loss there."""
        if not self.validated_by_loss:
            try:
                return self.validation_negative_elbo()
            except NotSupported:
                self.validated_by_loss = True
        return self.validation_loss()

    def validation_negative_elbo(self) -> float:
        """The Polyak average's, nats an image: one posterior sample each, with the same noise at every call."""
        return self._validation_mean(_summed_negative_elbo)

    def validation_loss(self) -> float:
        """The Polyak average's mean `loss`, with the same noise at every call."""
        return self._validation_mean(_summed_loss)

    @torch.no_grad()
    def _validation_mean(self, sum_over: Callable[[Adapter, Tensor], float]) -> float:
        model = self.average.adapter.eval()
        total = 0.0
        with seeded(derive_seed(self.context.seed, "validation"), self.context.device):
            everything = torch.arange(len(self.validation), device=self.context.device)
            for indices in everything.split(self.settings.batch_size):
                try:
                    total += sum_over(model, self.validation.batch(indices))
                except FloatingPointError as reason:
                    raise TrainingError(
                        f"training stopped after step {self.state.step}: the validation {reason}; lower the learning "
                        "rate or correct the model."
                    ) from reason
        return total / len(self.validation)

    def _reason_to_end(self) -> str | None:
        state, settings = self.state, self.settings
        if settings.halvings and state.halvings >= settings.halvings:
            return f"no gain for {settings.patience} epochs after {settings.halvings - 1} halvings of the learning rate"
        if state.epoch >= settings.max_epochs:
            return f"all {settings.max_epochs} epochs done"
        return None

    def _cut_short(self) -> TrainingOutcome:
        """Save the state, then leave in the adapter the better of the best average and the present one."""
        self._save()
        value = self._validate()
        reason = f"cut short after {self.context.job_settings.max_minutes:g} minutes of training"
        if self.state.best_validation is None or value < self.state.best_validation:
            self.best = self.average.adapter.state_dict()
            self.state.best_epoch, reason = None, f"{reason}; its last weights are scored"
        self.adapter.load_state_dict(self.best)
        return self._outcome("partial", reason)

    def _outcome(self, status: str, reason: str) -> TrainingOutcome:
        state = self.state
        return TrainingOutcome(
            status,
            reason,
            state.epoch,
            state.step,
            state.best_epoch,
            state.curve,
            self._seconds(),
            state.threads,
            state.compiled,
            state.matrix_precision,
            replaced_settings(self.context.settings, self.settings),
        )

    # -- start, save, restore -----------------------------------------------------------------------------------------

    def _initialise(self) -> None:
        """Data-dependent initialisation, with images drawn from the training set by the job's seed."""
        count = min(self.settings.initialisation_images, len(self.train))
        chosen = numpy_generator(self.context.seed, "initialisation images").permutation(len(self.train))[:count]
        x = self.train.batch(torch.from_numpy(chosen).to(self.context.device), self.context.generator)
        self.adapter.initialise(x)

    def _fresh_optimiser(self) -> torch.optim.Adam:
        rate, betas = self.state.learning_rate, self.settings.adam_betas
        if not self.recording:
            return torch.optim.Adam(self.adapter.parameters(), lr=rate, betas=betas, fused=True)
        # A replay sees a new rate only in a tensor.
        on_device = torch.tensor(rate, device=self.context.device)
        return torch.optim.Adam(self.adapter.parameters(), lr=on_device, betas=betas, fused=True, capturable=True)

    def _renew_recording(self) -> None:
        """A recorded step holds the tensors of one optimiser."""
        self.recorded = RecordedStep(self.adapter, self._update, self._ask_loss) if self.recording else None

    def _save_if_due(self) -> None:
        if requested() or time.monotonic() - self.saved_at > 60 * self.context.job_settings.checkpoint_minutes:
            self._save()
        raise_if_requested()

    def _save(self) -> None:
        self._read_losses()
        self.state.seconds = self._seconds()
        save_training(self.path, self.state, self._parts(), self.best)
        self.saved_at = time.monotonic()

    def _parts(self) -> TrainingParts:
        return TrainingParts(self.adapter, self.average.adapter, self.optimiser, self.context.generator)

    def _seconds(self) -> float:
        return self.seconds_before + time.monotonic() - self.started

    def _out_of_time(self) -> bool:
        limit = self.context.job_settings.max_minutes
        return limit is not None and time.monotonic() - self.started > 60 * limit

    def _tell(self, note: str) -> None:
        self.context.progress("training", self.state.step, self.settings.max_epochs * self.batches, note)

    def _note(self) -> str:
        state = self.state
        done = max(1, state.batch - len(self.unread))
        parts = [f"epoch {state.epoch + 1}/{self.settings.max_epochs}"]
        if state.sums:
            parts.append(f"loss {state.sums['loss'] / done:.2f}")
        if state.best_validation is not None:
            what = "loss" if self.validated_by_loss else "-ELBO"
            parts.append(f"best validation {what} {state.best_validation:.2f}")
        return ", ".join(parts)


def _summed_negative_elbo(model: Adapter, x: Tensor) -> float:
    """Over the images x, nats; FloatingPointError names the term because of which it is not finite."""
    terms = model.importance_terms(x, 1)
    value = float(terms.log_weights.double().sum())
    if not math.isfinite(value):
        raise FloatingPointError(f"ELBO is not finite at {value}, because of {first_not_finite(terms)}")
    return -value


def _summed_loss(model: Adapter, x: Tensor) -> float:
    """Over the images x; FloatingPointError if it is not finite."""
    value = float(model.loss(x).total) * len(x)
    if not math.isfinite(value):
        raise FloatingPointError(f"loss is not finite at {value}")
    return value
