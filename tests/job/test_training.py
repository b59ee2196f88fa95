"""The training loop against a second, plain one; its schedule, its faults, and going on after a stop."""

import math
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mae_bench import Adapter, DataSpec, ImportanceTerms, Loss
from mae_bench.foundation.errors import TrainingError, UsageError
from mae_bench.job.checkpoint import TRAINING_FILE
from mae_bench.job.settings import JobSettings
from mae_bench.job.training import TrainingLoop
from mae_bench.job.training_context import TrainingContext
from mae_bench.planning.registry import load_adapter_class
from mae_bench.planning.task import TrainingSettings

SPEC = DataSpec((1, 2, 2), "bernoulli", 40, 2)
SETTINGS = TrainingSettings(
    batch_size=10,
    initialisation_images=20,
    learning_rate=0.05,
    learning_rate_decay=0.99,
    adam_betas=(0.9, 0.999),
    gradient_clip=0.5,
    polyak_decay=0.8,
    patience=2,
    halvings=3,
    max_epochs=3,
)


pytestmark = pytest.mark.usefixtures("one_thread")


class FixedImages:
    """Images whose bits never change, so that a second loop sees the same ones."""

    def __init__(self, count: int) -> None:
        self.x = torch.from_numpy(np.random.default_rng(count).integers(2, size=(count, *SPEC.shape))).float()

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Tensor:
        if generator is not None:
            # Uses the stream of bits, so that a resumed job shows whether it was restored.
            return (self.x[indices] - 0.01 * torch.rand(self.x[indices].shape, generator=generator)).clamp_min(0)
        return self.x[indices]


class Noisy(Adapter):
    """A tiny autoencoder with noise from the global random state and a buffer, both of which must survive a stop."""

    def __init__(self, data: DataSpec, preset: str) -> None:
        super().__init__(data, preset)
        self.weight = nn.Linear(4, 4)
        self.register_buffer("calls", torch.zeros(()))

    def loss(self, x: Tensor) -> Loss:
        self.calls += 1
        error = (self.weight(x.flatten(1)) + 0.1 * torch.randn(len(x), 4) - x.flatten(1)).square().sum(1).mean()
        return Loss(error, {"reconstruction_error": error})

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        error = -(self.weight(x.flatten(1)) - x.flatten(1)).square().sum(1, keepdim=True).expand(-1, samples)
        noise = 0.001 * torch.randn_like(error)
        return ImportanceTerms(error + noise, torch.zeros_like(error), torch.zeros_like(error))


FRAGILE = str(Path(__file__).parents[1] / "adapters" / "fragile.py")


def context(folder: Path, settings: TrainingSettings = SETTINGS, **options: float) -> TrainingContext:
    return TrainingContext(
        settings,
        seed=3,
        device=torch.device("cpu"),
        checkpoint_directory=folder,
        progress=lambda *_: None,
        job_settings=JobSettings(**options),
    )


def fresh_model(kind: type[Adapter] = Noisy) -> Adapter:
    torch.manual_seed(1)
    return kind(SPEC, "small")


class Plain(Noisy):
    """Without noise, and told each batch it is given."""

    seen: list[Tensor]

    def loss(self, x: Tensor) -> Loss:
        self.seen.append(x.clone())
        error = (self.weight(x.flatten(1)) - x.flatten(1)).square().sum(1).mean()
        return Loss(error, {"reconstruction_error": error})


def test_the_loop_equals_a_plain_one(tmp_path: Path) -> None:
    """Adam, clipping, decay and Polyak average from their definitions, in float64 NumPy."""
    model = fresh_model(Plain)
    model.seen = []
    start = [p.detach().double().numpy().copy() for p in model.parameters()]
    here = context(tmp_path, SETTINGS.model_copy(update={"max_epochs": 2, "patience": 50}))
    loop = TrainingLoop(here, here.settings, model, FixedImages(40), FixedImages(12))
    loop.run()

    (weight, bias), rate = start, 0.05
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in start]
    average = [p.copy() for p in start]
    for step, x in enumerate(model.seen, start=1):
        flat = x.flatten(1).double().numpy()
        residual = 2 * (flat @ weight.T + bias - flat) / len(flat)
        gradients = [residual.T @ flat, residual.sum(0)]
        norm = math.sqrt(sum((g**2).sum() for g in gradients))
        gradients = [g * min(1.0, 0.5 / (norm + 1e-6)) for g in gradients]
        updated = []
        for value, gradient, (first, second) in zip((weight, bias), gradients, moments, strict=True):
            first[...] = 0.9 * first + 0.1 * gradient
            second[...] = 0.999 * second + 0.001 * gradient**2
            corrected = np.sqrt(second / (1 - 0.999**step)) + 1e-8
            updated.append(value - rate * first / (1 - 0.9**step) / corrected)
        weight, bias = updated
        rate *= 0.99
        kept = 0.8 if step > 1 else 0.0
        average = [kept * a + (1 - kept) * p for a, p in zip(average, (weight, bias), strict=True)]
    assert len(model.seen) == 8
    trained = [p.detach().numpy() for p in loop.average.adapter.parameters()]
    for ours, theirs in zip(trained, average, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
    assert loop.state.learning_rate == pytest.approx(0.05 * 0.99**8)


class CountedImages(FixedImages):
    """Remembers which images it was asked for."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.asked: list[list[int]] = []

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> Tensor:
        self.asked.append(indices.tolist())
        return super().batch(indices, generator)


def test_every_image_is_seen_once_an_epoch_in_a_new_order(tmp_path: Path) -> None:
    images = CountedImages(40)
    context(tmp_path).train(fresh_model(), images, FixedImages(12), max_epochs=2)
    for_initialisation, *batches = images.asked
    assert len(set(for_initialisation)) == SETTINGS.initialisation_images
    epochs = [list(chain(*batches[:4])), list(chain(*batches[4:]))]
    assert [sorted(epoch) for epoch in epochs] == [list(range(40))] * 2
    assert epochs[0] != epochs[1]


def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[float], **changes: float) -> TrainingLoop:
    """A loop whose validation answers with `values`, one an epoch."""
    answers = iter(values)
    monkeypatch.setattr(TrainingLoop, "validation_negative_elbo", lambda _self: next(answers))
    settings = SETTINGS.model_copy(update={"max_epochs": 100, "learning_rate_decay": 1.0, **changes})
    here = context(tmp_path, settings)
    return TrainingLoop(here, settings, fresh_model(), FixedImages(40), FixedImages(12))


def test_the_third_halving_ends_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Best at epoch 2; patience 2, so the rate is halved after epochs 4, 6 and 8, and the third halving ends it.
    loop = scripted(tmp_path, monkeypatch, [9.0, 5.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 1.0])
    outcome = loop.run()
    assert (outcome.status, outcome.epochs, outcome.best_epoch) == ("complete", 8, 2)
    assert [row["learning_rate"] for row in outcome.curve] == [0.05] * 4 + [0.025] * 2 + [0.0125] * 2
    assert "2 halvings" in outcome.reason


def test_a_gain_starts_patience_anew_and_a_halving_takes_a_fresh_optimiser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = scripted(tmp_path, monkeypatch, [5.0, 6.0, 4.0, 6.0, 6.0, 3.0], max_epochs=6)
    first = loop.optimiser
    outcome = loop.run()
    assert outcome.best_epoch == 6
    assert loop.state.halvings == 1
    assert [row["learning_rate"] for row in outcome.curve] == [0.05] * 5 + [0.025]
    assert loop.optimiser is not first


def test_the_best_average_is_left_in_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = scripted(tmp_path / "a", monkeypatch, [5.0], max_epochs=1)
    short.run()
    long = scripted(tmp_path / "b", monkeypatch, [5.0, 6.0, 7.0], max_epochs=3)
    long.run()
    for a, b in zip(short.adapter.state_dict().values(), long.adapter.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(long.adapter.weight.weight, long.average.adapter.weight.weight)


@pytest.mark.parametrize("stops", [(1,), (2, 5), (4, 8, 9)])
def test_a_stopped_training_ends_in_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: tuple[int, ...]
) -> None:
    """Stop after these steps, within epochs and at their ends; every process starts from the file alone."""
    whole = fresh_model()
    undisturbed = context(tmp_path / "whole")
    undisturbed.train(whole, FixedImages(40), FixedImages(12))

    for stop in stops:
        torch.manual_seed(999)
        with monkeypatch.context() as patched:
            patched.setattr(TrainingLoop, "_out_of_time", lambda self, stop=stop: self.state.step >= stop)
            here = context(tmp_path / "parts", max_minutes=1.0)
            here.train(fresh_model(), FixedImages(40), FixedImages(12))
            assert here.outcome.status == "partial"
            assert here.outcome.steps == stop
    torch.manual_seed(999)
    resumed = fresh_model()
    last = context(tmp_path / "parts")
    last.train(resumed, FixedImages(40), FixedImages(12))

    for ours, theirs in zip(resumed.state_dict().values(), whole.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    assert last.outcome.curve == undisturbed.outcome.curve
    assert last.outcome.steps == undisturbed.outcome.steps == 12


def test_a_partial_training_leaves_the_better_of_best_and_present(tmp_path: Path) -> None:
    here = context(tmp_path, max_minutes=1e-9)
    model = fresh_model()
    here.train(model, FixedImages(40), FixedImages(12))
    assert here.outcome.status == "partial"
    assert "cut short" in here.outcome.reason
    assert here.outcome.epochs == 0
    assert (tmp_path / TRAINING_FILE).exists()


FAULTS = [("nan", "kl is not finite"), ("explode", "kl exceeds")]


@pytest.mark.parametrize(("fault", "sentence"), FAULTS)
def test_a_bad_loss_names_step_term_and_checkpoint(tmp_path: Path, fault: str, sentence: str) -> None:
    model = load_adapter_class(FRAGILE)(SPEC, "small", fault=fault, at=7)
    with pytest.raises(TrainingError) as caught:
        context(tmp_path, checkpoint_minutes=0).train(model, FixedImages(40), FixedImages(12))
    message = str(caught.value)
    assert "at step 7:" in message
    assert sentence in message
    assert f"last good checkpoint is {tmp_path / TRAINING_FILE}" in message

    with pytest.raises(TrainingError, match="step 7"):
        context(tmp_path).train(model, FixedImages(40), FixedImages(12))


def test_a_bad_loss_before_any_checkpoint_says_so(tmp_path: Path) -> None:
    model = load_adapter_class(FRAGILE)(SPEC, "small", fault="nan", at=1)
    with pytest.raises(TrainingError, match=r"at step 1: kl is not finite.*there is no checkpoint yet"):
        context(tmp_path).train(model, FixedImages(40), FixedImages(12))


class FirstNotFinite(Noisy):
    """A loss whose terms are as large as on real images; one of them is not finite from the first step on."""

    bad, value = "kl", math.nan
    breaks = False

    def loss(self, x: Tensor) -> Loss:
        self.calls += 1
        if self.breaks and self.calls > 1:
            raise ValueError("the parameter loc has invalid values")
        error = super().loss(x).total
        terms = {"reconstruction_error": 544.0 + error, "kl": 30.0 + 0 * error}
        terms |= {self.bad: terms[self.bad] * self.value} if self.bad in terms else {}
        total = terms["reconstruction_error"] + terms["kl"]
        return Loss(total * (self.value if self.bad == "loss" else 1), terms)


@pytest.mark.parametrize("breaks", [False, True])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("bad", ["reconstruction_error", "kl", "loss"])
def test_the_first_loss_names_the_term_that_is_not_finite(tmp_path: Path, bad: str, value: float, breaks: bool) -> None:
    """Also where the network that it leaves makes the next step fail in its own way."""
    model = fresh_model(FirstNotFinite)
    model.bad, model.value, model.breaks = bad, value, breaks
    with pytest.raises(TrainingError, match=rf"at step 1: {bad} is not finite at {value}; there is no checkpoint yet"):
        context(tmp_path).train(model, FixedImages(40), FixedImages(12))


def test_a_step_that_fails_after_good_ones_fails_as_it_did(tmp_path: Path) -> None:
    model = fresh_model(FirstNotFinite)
    model.value, model.breaks = 1.0, True
    with pytest.raises(ValueError, match="loc has invalid values"):
        context(tmp_path).train(model, FixedImages(40), FixedImages(12))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("bad", ["log_likelihood", "log_prior", "log_posterior"])
def test_a_validation_elbo_that_is_not_finite_names_the_term(tmp_path: Path, bad: str, value: float) -> None:
    class Bad(Noisy):
        def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
            return replace(super().importance_terms(x, samples), **{bad: torch.full((len(x), samples), value)})

    with pytest.raises(TrainingError, match=rf"after step 4: the validation ELBO is not finite at .*because of {bad};"):
        context(tmp_path).train(fresh_model(Bad), FixedImages(40), FixedImages(12))


def test_validation_uses_the_average_and_the_same_numbers_each_time(tmp_path: Path) -> None:
    here = context(tmp_path)
    loop = TrainingLoop(here, SETTINGS, fresh_model(), FixedImages(40), FixedImages(12))
    before = torch.get_rng_state()
    first = loop.validation_negative_elbo()
    with torch.no_grad():
        loop.adapter.weight.weight.add_(1.0)
    assert loop.validation_negative_elbo() == first
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        loop.average.adapter.weight.weight.add_(1.0)
    assert loop.validation_negative_elbo() != first


def test_an_unknown_setting_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no setting 'epochs'.*max_epochs"):
        context(tmp_path).train(fresh_model(), FixedImages(40), FixedImages(12), epochs=3)


@pytest.mark.parametrize(("name", "value"), [("gradient_clip", float("inf")), ("max_epochs", 0), ("patience", 0.5)])
def test_a_value_that_no_setting_has_is_one_sentence(tmp_path: Path, name: str, value: float) -> None:
    """No record could state it: found before training, not after it."""
    with pytest.raises(UsageError, match=rf"^fit replaces a setting of the training badly: {name}: .*; correct"):
        context(tmp_path).train(fresh_model(), FixedImages(40), FixedImages(12), **{name: value})


def test_a_damaged_checkpoint_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / TRAINING_FILE).write_bytes(b"\x10not a checkpoint")
    with pytest.raises(TrainingError, match=r"cannot be read.*delete it"):
        context(tmp_path).train(fresh_model(), FixedImages(40), FixedImages(12))


def test_settings_of_a_model_replace_the_tasks(tmp_path: Path) -> None:
    here = context(tmp_path)
    here.train(fresh_model(), FixedImages(40), FixedImages(12), max_epochs=1)
    assert here.outcome.epochs == 1


def test_progress_is_told(tmp_path: Path) -> None:
    told = SimpleNamespace(calls=[])
    here = context(tmp_path)
    here.progress = lambda *call: told.calls.append(call)
    here.train(fresh_model(), FixedImages(40), FixedImages(12))
    assert [call[1] for call in told.calls] == list(range(1, 13))
    assert {call[2] for call in told.calls} == {12}
