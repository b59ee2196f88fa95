"""What training does besides lowering the loss: modes, seeds, the optimiser's settings, sums, thresholds, clocks."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mae_bench import Adapter, ImportanceTerms, Loss
from mae_bench.foundation.errors import TrainingError
from mae_bench.foundation.seeding import derive_seed
from mae_bench.job import training
from mae_bench.job.training import EXPLOSION, TrainingContext, TrainingLoop
from mae_bench.planning.task import TrainingSettings
from tests.job.test_training import SETTINGS, CountedImages, FixedImages, Noisy, context, fresh_model, scripted

pytestmark = pytest.mark.usefixtures("one_thread")
LONG = {"batch_size": 1, "max_epochs": 1}
"""With 50 images, an epoch of 50 steps: losses are read more than once in it."""


def loop_of(folder: Path, model: Adapter, count: int = 40, **changes: Any) -> TrainingLoop:
    settings = TrainingSettings.model_validate({**SETTINGS.model_dump(), **changes})
    return TrainingLoop(context(folder, settings), settings, model, FixedImages(count), FixedImages(12))


# -- modes ------------------------------------------------------------------------------------------------------------


class Modes(Noisy):
    """Remembers the mode in which it was asked; like a VAE, it leaves the initialisation in evaluation mode."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.asked: list[tuple[str, bool]] = []

    def initialise(self, x: Tensor) -> None:
        self.eval()

    def loss(self, x: Tensor) -> Loss:
        self.asked.append(("loss", self.training))
        return super().loss(x)

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        self.asked.append(("validation", self.training))
        return super().importance_terms(x, samples)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Modes":
        """The Polyak average has its own mode and parameters, but tells what it was asked to the same list."""
        copy = Modes(self.data, self.preset)
        copy.load_state_dict(self.state_dict())
        copy.asked = self.asked
        return copy


def test_every_step_is_in_training_mode_and_every_validation_in_evaluation_mode(tmp_path: Path) -> None:
    model = fresh_model(Modes)
    loop_of(tmp_path, model).run()
    epoch = [("loss", True)] * 4 + [("validation", False)] * 2
    assert model.asked == epoch * 3


class Dropping(Noisy):
    """Without noise but for dropout."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.drop = nn.Dropout(0.5)

    def loss(self, x: Tensor) -> Loss:
        error = (self.weight(self.drop(x.flatten(1))) - x.flatten(1)).square().sum(1).mean()
        return Loss(error, {"reconstruction_error": error})

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        error = -(self.weight(self.drop(x.flatten(1))) - x.flatten(1)).square().sum(1, keepdim=True)
        return ImportanceTerms(error.expand(-1, samples), torch.zeros_like(error), torch.zeros_like(error))


def test_validation_is_the_mean_over_its_images_of_one_sample_each_without_dropout(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, fresh_model(Dropping), polyak_decay=0.0)
    loop._run_epoch()
    x = loop.validation.batch(torch.arange(12)).flatten(1)
    expected = (loop.adapter.weight(x) - x).square().sum(1).mean().detach()
    assert loop.validation_negative_elbo() == pytest.approx(float(expected), rel=1e-6)


# -- seeds ------------------------------------------------------------------------------------------------------------


def trained(folder: Path, seed: int, before: int = 1, kind: type[Adapter] = Noisy) -> tuple[list[float], CountedImages]:
    """The weights after a training with `seed`, and the images; before: how torch's generator stood at its start."""
    settings = SETTINGS.model_copy(update={"max_epochs": 1})
    device = torch.device("cpu")
    model = fresh_model(kind)
    here = TrainingContext(
        settings, seed=seed, device=device, checkpoint_directory=folder, progress=lambda *_: None
    )
    torch.manual_seed(before)
    images = CountedImages(40)
    here.train(model, images, FixedImages(12))
    return model.weight.weight.flatten().tolist(), images


def test_the_seed_alone_decides_the_noise_the_order_and_the_images_of_the_initialisation(tmp_path: Path) -> None:
    one, two, other = (
        trained(tmp_path / name, seed, before) for name, seed, before in [("a", 3, 1), ("b", 3, 2), ("c", 4, 1)]
    )
    assert one[0] == two[0] and one[1].asked == two[1].asked
    assert one[0] != other[0]
    (initial, *batches), (other_initial, *other_batches) = one[1].asked, other[1].asked
    assert initial != other_initial
    assert batches != other_batches


def test_the_noise_of_the_loss_depends_on_the_seed(tmp_path: Path) -> None:
    first, second = (torch_draws_of_a_loop(tmp_path / str(seed), seed) for seed in (3, 4))
    assert first != second


def torch_draws_of_a_loop(folder: Path, seed: int) -> list[float]:
    here = context(folder)
    here.seed = seed
    TrainingLoop(here, SETTINGS, fresh_model(), FixedImages(40), FixedImages(12))
    return torch.rand(5).tolist()


def test_the_training_bits_have_a_stream_of_their_own_from_the_seed(tmp_path: Path) -> None:
    here = context(tmp_path)
    assert here.generator.initial_seed() == derive_seed(3, "training bits")
    assert torch.rand(5, generator=here.generator).tolist() != torch_draws_of_a_loop(tmp_path, 3)


class Drawing(FixedImages):
    """Counts the draws of bits from the training's generator."""

    drawn = 0

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Tensor:
        self.drawn += generator is not None
        return super().batch(indices, generator)


def test_every_training_batch_and_the_initialisation_draw_fresh_bits_and_no_validation_does(tmp_path: Path) -> None:
    train, validation = Drawing(40), Drawing(12)
    context(tmp_path).train(fresh_model(), train, validation)
    assert (train.drawn, validation.drawn) == (1 + 12, 0)


def test_the_noise_of_validation_is_the_seeds_and_the_same_in_every_epoch(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, fresh_model())
    value = loop.validation_negative_elbo()
    loop.state.epoch += 1
    assert loop.validation_negative_elbo() == value
    loop.context.seed += 1
    assert loop.validation_negative_elbo() != value


# -- the optimiser ----------------------------------------------------------------------------------------------------


def test_the_optimiser_is_adam_with_the_settings_of_the_task(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, fresh_model(), adam_betas=(0.6, 0.7))
    defaults = torch.optim.Adam([torch.zeros(1)]).defaults
    for optimiser in (loop.optimiser, loop._fresh_optimiser()):
        group = optimiser.param_groups[0]
        assert (group["lr"], group["betas"]) == (0.05, (0.6, 0.7))
        assert all(group[name] == defaults[name] for name in ("eps", "weight_decay", "amsgrad", "maximize"))


class Sometimes(Noisy):
    """Has a weight that only the first step uses."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.first_only = nn.Parameter(torch.ones(()))
        self.values: list[float] = []

    def loss(self, x: Tensor) -> Loss:
        total = super().loss(x).total
        self.values.append(float(self.first_only.detach()))
        return Loss(total + self.first_only if len(self.values) == 1 else total, {})


def test_a_weight_without_a_gradient_is_left_alone(tmp_path: Path) -> None:
    model = fresh_model(Sometimes)
    loop_of(tmp_path, model, max_epochs=1).run()
    first, *later = model.values
    assert first != later[0]
    assert later == [later[0]] * 3


def test_the_rest_of_the_images_makes_no_batch(tmp_path: Path) -> None:
    loop = loop_of(tmp_path, fresh_model(), count=49, max_epochs=1)
    assert loop.run().steps == 4
    assert loop_of(tmp_path / "few", fresh_model(), count=7, max_epochs=2).run().steps == 2


# -- losses -----------------------------------------------------------------------------------------------------------


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


# -- the schedule -----------------------------------------------------------------------------------------------------


def test_of_equal_validation_losses_the_first_is_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = scripted(tmp_path, monkeypatch, [5.0, 5.0, 5.0], max_epochs=3)
    assert loop.run().best_epoch == 1
    assert (loop.state.halvings, loop.state.epochs_without_gain) == (1, 0)


def test_without_a_number_of_halvings_none_ends_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = scripted(tmp_path, monkeypatch, [5.0] * 9, max_epochs=9, halvings=0)
    outcome = loop.run()
    assert (outcome.epochs, loop.state.halvings) == (9, 4)
    assert "all 9 epochs" in outcome.reason


def test_the_best_weights_are_those_of_the_average_at_that_epochs_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = scripted(tmp_path, monkeypatch, [5.0, 6.0], max_epochs=2)
    loop._run_epoch()
    loop._end_epoch()
    average = {name: tensor.clone() for name, tensor in loop.average.adapter.state_dict().items()}
    assert not torch.equal(average["weight.weight"], loop.adapter.weight.weight)
    loop.run()
    for name, tensor in loop.adapter.state_dict().items():
        assert torch.equal(tensor, average[name]), name


def test_only_settings_that_differ_from_the_tasks_are_the_models_own(tmp_path: Path) -> None:
    here = context(tmp_path)
    here.train(fresh_model(), FixedImages(40), FixedImages(12), max_epochs=1, patience=SETTINGS.patience)
    assert here.outcome.own_settings == {"max_epochs": 1}
    assert here.outcome.threads == 1


def test_the_outcome_names_the_threads_of_the_training(tmp_path: Path) -> None:
    torch.set_num_threads(2)  # the fixture puts one back
    assert loop_of(tmp_path, fresh_model(), max_epochs=1).run().threads == 2


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
