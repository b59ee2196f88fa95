"""What a stopped training takes up again: the kill tests are too short to see all of it."""

import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mae_bench import Loss
from mae_bench.foundation import interruption
from mae_bench.foundation.interruption import Interrupted
from mae_bench.job import training
from mae_bench.job.checkpoint import TRAINING_FILE
from mae_bench.job.training import TrainingLoop
from mae_bench.job.training_state import TrainingOutcome
from tests.job.test_training import SETTINGS, FixedImages, Noisy, context, fresh_model

pytestmark = pytest.mark.usefixtures("one_thread")
VALIDATION = [9.0, 5.0, 6.0, 6.0, 6.0, 4.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0]
"""Best at epoch 2 and then at epoch 6; with patience 2 the rate is halved after epochs 4, 8, 10 and 12."""


def scripted_training(
    folder: Path, monkeypatch: pytest.MonkeyPatch, stop: int | None = None, validation: list[float] = VALIDATION
) -> tuple[TrainingOutcome, Noisy, TrainingLoop]:
    """Train for 10 epochs, or up to step `stop`; epoch e validates to validation[e - 1], a cut one to 100."""

    def scripted(self: TrainingLoop) -> float:
        whole = self.state.batch == self.batches and not cut_short[0]
        return validation[self.state.epoch] if whole else 100.0

    cut_short = [False]

    def out_of_time(self: TrainingLoop) -> bool:
        cut_short[0] = self.state.step == stop
        return cut_short[0]

    torch.manual_seed(999)
    settings = SETTINGS.model_copy(update={"max_epochs": 10, "halvings": 4})
    here = context(folder, settings, max_minutes=1.0)
    model = fresh_model()
    with monkeypatch.context() as patched:
        patched.setattr(TrainingLoop, "validation_negative_elbo", scripted)
        patched.setattr(TrainingLoop, "_out_of_time", out_of_time)
        loop = TrainingLoop(here, settings, model, FixedImages(40), FixedImages(12))
        outcome = loop.run()
    return outcome, model, loop


# Within epochs and at their ends: before and after the best one, between gains and halvings, with losses unread.
@pytest.mark.parametrize("stop", [1, 7, 8, 11, 14, 17, 22, 24, 27, 32, 35, 38])
def test_wherever_it_stops_the_schedule_and_the_weights_are_those_of_a_whole_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    whole, expected, _ = scripted_training(tmp_path / "whole", monkeypatch)
    assert (whole.best_epoch, whole.epochs) == (6, 10)
    part, _, _ = scripted_training(tmp_path / "parts", monkeypatch, stop)
    assert (part.status, part.steps) == ("partial", stop)
    resumed, model, loop = scripted_training(tmp_path / "parts", monkeypatch)
    assert resumed.curve == whole.curve
    assert resumed.best_epoch == 6
    assert resumed.steps == 40
    assert loop.state.halvings == 3
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, expected.state_dict()[name]), name


def test_a_best_epoch_before_the_stop_stays_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights come from the checkpoint, and what follows is held against its validation loss."""
    validation = [9.0, 1.0, *[6.0] * 8]
    whole, expected, _ = scripted_training(tmp_path / "whole", monkeypatch, validation=validation)
    scripted_training(tmp_path / "parts", monkeypatch, 30, validation)
    resumed, model, loop = scripted_training(tmp_path / "parts", monkeypatch, validation=validation)
    assert (whole.best_epoch, resumed.best_epoch, loop.state.best_validation) == (2, 2, 1.0)
    assert torch.equal(model.weight.weight, expected.weight.weight)


class Counting(Noisy):
    """Counts its initialisations outside of its state."""

    initialised = 0

    def initialise(self, x: Tensor) -> None:
        type(self).initialised += 1


def test_a_resumed_model_is_not_initialised_again(tmp_path: Path) -> None:
    Counting.initialised = 0
    for minutes in (1e-9, 60.0):
        context(tmp_path, max_minutes=minutes).train(fresh_model(Counting), FixedImages(40), FixedImages(12))
    assert Counting.initialised == 1


def test_a_training_whose_epochs_are_done_trains_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted_training(tmp_path, monkeypatch, 9)
    here = context(tmp_path)
    model = fresh_model()
    here.train(model, FixedImages(40), FixedImages(12), max_epochs=2)
    assert (here.outcome.status, here.outcome.steps, here.outcome.best_epoch) == ("complete", 9, 2)


# -- what a training that is cut short leaves -------------------------------------------------------------------------


@pytest.mark.parametrize(("present", "best_epoch"), [(8.0, 2), (5.0, 2), (4.0, None)])
def test_a_training_cut_short_leaves_its_last_weights_only_if_they_are_better_than_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: float, best_epoch: int | None
) -> None:
    def out_of_time(self: TrainingLoop) -> bool:
        return self.state.step == 9

    def validation(self: TrainingLoop) -> float:
        return present if self.state.step == 9 else [9.0, 5.0][self.state.epoch]

    kept: dict[int, dict[str, Tensor]] = {}

    def remember(self: TrainingLoop) -> None:
        end_epoch(self)
        kept[self.state.epoch] = {name: tensor.clone() for name, tensor in self.average.adapter.state_dict().items()}

    end_epoch = TrainingLoop._end_epoch
    monkeypatch.setattr(TrainingLoop, "_out_of_time", out_of_time)
    monkeypatch.setattr(TrainingLoop, "validation_negative_elbo", validation)
    monkeypatch.setattr(TrainingLoop, "_end_epoch", remember)
    model = fresh_model()
    loop = TrainingLoop(context(tmp_path, max_minutes=1.0), SETTINGS, model, FixedImages(40), FixedImages(12))
    outcome = loop.run()
    assert (outcome.status, outcome.best_epoch) == ("partial", best_epoch)
    assert ("last weights" in outcome.reason) == (best_epoch is None)
    left = kept[2] if best_epoch else loop.average.adapter.state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, left[name]), name
    assert not torch.equal(kept[2]["weight.weight"], loop.average.adapter.weight.weight)

    # The choice is this process's own: a resumed training knows of epoch 2 alone, and has its own weights.
    again = TrainingLoop(context(tmp_path), SETTINGS, fresh_model(), FixedImages(40), FixedImages(12))
    assert (again.state.best_epoch, again.state.best_validation) == (2, 5.0)
    assert torch.equal(again.best["weight.weight"], kept[2]["weight.weight"])
    assert not torch.equal(again.adapter.weight.weight, again.average.adapter.weight.weight)


# -- signals and clocks -----------------------------------------------------------------------------------------------


def test_a_signal_ends_training_after_its_step_with_a_checkpoint_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Signalled(Noisy):
        def loss(self, x: Tensor) -> Loss:
            assert interruption._state.deferrals == 1, "a signal must not end a step halfway"
            if int(self.calls) == 5:
                monkeypatch.setattr(interruption._state, "received", signal.SIGTERM)
            return super().loss(x)

    with pytest.raises(Interrupted):
        context(tmp_path).train(fresh_model(Signalled), FixedImages(40), FixedImages(12))
    monkeypatch.setattr(interruption._state, "received", None)
    loop = TrainingLoop(context(tmp_path), SETTINGS, fresh_model(), FixedImages(40), FixedImages(12))
    assert loop.state.step == 6


def test_a_resumed_training_has_the_threads_that_it_began_with(tmp_path: Path) -> None:
    context(tmp_path, max_minutes=1e-9).train(fresh_model(), FixedImages(40), FixedImages(12))
    torch.set_num_threads(2)  # the fixture puts one back
    here = context(tmp_path)
    here.train(fresh_model(), FixedImages(40), FixedImages(12))
    assert (torch.get_num_threads(), here.outcome.threads) == (1, 1)


def test_a_resumed_training_is_compiled_only_if_it_began_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Any] = []

    def compiled_loss(adapter: Noisy, _device: torch.device) -> Any:
        compiled.append(adapter)
        return adapter.loss

    monkeypatch.setattr(training, "compiled_loss", compiled_loss)
    for folder, first, then, count in [("a", True, False, 2), ("b", False, True, 0)]:
        compiled.clear()
        began = context(tmp_path / folder, max_minutes=1e-9, compile=first)
        began.train(fresh_model(), FixedImages(40), FixedImages(12))
        assert (tmp_path / folder / TRAINING_FILE).exists()
        ended = context(tmp_path / folder, compile=then)
        ended.train(fresh_model(), FixedImages(40), FixedImages(12))
        assert len(compiled) == count
        assert (began.outcome.compiled, ended.outcome.compiled) == (first, first)
