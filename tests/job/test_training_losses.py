"""What training reads of its losses: their means, the bounds beyond which it stops; and its clocks."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import Tensor

from mae_bench import Loss
from mae_bench.foundation.errors import TrainingError
from mae_bench.job import training
from mae_bench.job.training import EXPLOSION, TrainingLoop
from tests.job.test_training import FixedImages, Noisy, context, fresh_model
from tests.job.test_training_epochs import loop_of

pytestmark = pytest.mark.usefixtures("one_thread")
LONG = {"batch_size": 1, "max_epochs": 1}
"""With 50 images, an epoch of 50 steps: losses are read more than once in it."""


class Listed(Noisy):
    """Its losses are the numbers of a list, one a step."""

    losses: tuple[float, ...] = ()

    def loss(self, x: Tensor) -> Loss:
        value = self.losses[int(self.calls)]
        super().loss(x)
        total = 0 * self.weight.weight.sum() + value
        return Loss(total, {"kl": 2 * total})


def run_losses(folder: Path, losses: list[float], **changes: Any) -> tuple[TrainingLoop, Listed]:
    model = fresh_model(Listed)
    model.losses = tuple(losses)
    loop = loop_of(folder, model, count=len(losses) // changes.get("max_epochs", 1), **{**LONG, **changes})
    loop.run()
    return loop, model


def test_the_curve_holds_the_mean_of_each_term_over_all_batches_of_its_epoch(tmp_path: Path) -> None:
    first, second = [float(step) for step in range(1, 51)], [40.0] * 50
    loop, _ = run_losses(tmp_path, first + second, max_epochs=2)
    means = [row["train"] for row in loop.state.curve]
    assert means == [{"loss": 25.5, "kl": 51.0}, {"loss": 40.0, "kl": 80.0}]
    assert [row["step"] for row in loop.state.curve] == [50, 100]
    rates = [0.05 * 0.99**step for step in (50, 100)]
    assert [row["learning_rate"] for row in loop.state.curve] == pytest.approx(rates)


def test_the_note_shows_the_mean_of_the_losses_read_so_far(tmp_path: Path) -> None:
    notes = SimpleNamespace(all=[])
    model = fresh_model(Listed)
    model.losses = (5.0,) * 50
    loop = loop_of(tmp_path, model, count=50, **LONG)
    loop.context.progress = lambda *call: notes.all.append(call[3])
    loop.run()
    shown = [note for note in notes.all if "loss" in note]
    assert len(shown) == 31  # from step 20 on
    assert all("loss 5.00" in note for note in shown)


@pytest.mark.parametrize("bad", [3, 41])
def test_a_bad_loss_ends_training_within_twenty_steps(tmp_path: Path, bad: int) -> None:
    model = fresh_model(Listed)
    model.losses = tuple(math.nan if step == bad else 1.0 for step in range(1, 61))
    with pytest.raises(TrainingError, match=f"at step {bad}:"):
        loop_of(tmp_path, model, count=60, **LONG).run()
    assert bad <= int(model.calls) < bad + 20


def checked(folder: Path, *losses: dict[str, float]) -> None:
    loop = loop_of(folder, fresh_model())
    for step, terms in enumerate(losses, start=1):
        loop._check(step, terms)


@pytest.mark.parametrize("first", [7.0, -7.0, 0.01, -0.01])
def test_a_loss_has_exploded_beyond_a_hundred_times_the_first_or_beyond_a_hundred(tmp_path: Path, first: float) -> None:
    assert EXPLOSION == 100
    limit = 100 * max(1.0, abs(first))
    checked(tmp_path, {"loss": first, "kl": 0.0}, {"loss": limit, "kl": -limit})
    for name in ("loss", "kl"):
        for value in (math.nextafter(limit, math.inf), -math.nextafter(limit, math.inf)):
            with pytest.raises(TrainingError, match=f"at step 2: {name} exceeds"):
                checked(tmp_path, {"loss": first, "kl": 0.0}, {"loss": first, "kl": 0.0, name: value})


def test_a_loss_is_held_against_the_first_and_not_the_one_before(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="at step 3: loss exceeds 200"):
        checked(tmp_path, {"loss": 2.0}, {"loss": 150.0}, {"loss": 201.0})


# -- clocks -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Seconds that pass only when a test says so, `clock.tick` of them at each step."""
    here = SimpleNamespace(now=1000.0, tick=0.0)
    monkeypatch.setattr(training, "time", SimpleNamespace(monotonic=lambda: here.now))
    step = TrainingLoop._step

    def timed(self: TrainingLoop, x: Tensor) -> None:
        step(self, x)
        here.now += here.tick

    monkeypatch.setattr(TrainingLoop, "_step", timed)
    return here


def test_a_checkpoint_is_written_when_its_minutes_have_passed_and_not_before(
    tmp_path: Path, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    monkeypatch.setattr(training, "save_training", lambda _path, state, *_: saved.append(state.step))
    clock.tick = 25.0
    here = context(tmp_path, checkpoint_minutes=1.0)
    here.train(fresh_model(), FixedImages(40), FixedImages(12))
    assert saved == [3, 6, 9, 12]  # after 75 s each


def test_the_minutes_that_end_a_training_are_those_of_this_process(tmp_path: Path, clock: SimpleNamespace) -> None:
    clock.tick = 25.0
    steps, seconds = [], []
    for _ in range(3):
        here = context(tmp_path, max_minutes=1.0)
        here.train(fresh_model(), FixedImages(40), FixedImages(12))
        steps.append(here.outcome.steps)
        seconds.append(here.outcome.seconds)
    assert steps == [3, 6, 9]
    assert seconds == [75.0, 150.0, 225.0]
    here = context(tmp_path)
    here.train(fresh_model(), FixedImages(40), FixedImages(12))
    assert (here.outcome.status, here.outcome.seconds) == ("complete", 300.0)
    assert "after 1 minutes" not in here.outcome.reason
