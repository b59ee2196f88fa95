"""What training does besides lowering the loss: modes, seeds, the optimiser's settings, the schedule."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mae_bench import Adapter, ImportanceTerms, Loss
from mae_bench.foundation.seeding import derive_seed
from mae_bench.job.training import TrainingLoop
from mae_bench.job.training_context import TrainingContext
from mae_bench.planning.task import TrainingSettings
from tests.job.test_training import SETTINGS, CountedImages, FixedImages, Noisy, context, fresh_model, scripted

pytestmark = pytest.mark.usefixtures("one_thread")


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
    here = TrainingContext(settings, seed=seed, device=device, checkpoint_directory=folder, progress=lambda *_: None)
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
