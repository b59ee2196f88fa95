"""What a `fit` of its own is given: batches, reports, the clock, the default loop more than once; whole and resumed."""

import json
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from mae_bench import Adapter, ImportanceTerms, OutOfTime
from mae_bench.data import load_data
from mae_bench.foundation.errors import TrainingError, UsageError
from mae_bench.job.checkpoint import MODEL_FILE
from mae_bench.job.execute import execute
from mae_bench.job.reports import REPORTS_FILE
from mae_bench.job.training import TrainingLoop
from mae_bench.planning.plan import Job, plan
from mae_bench.planning.registry import resolve_models
from mae_bench.planning.task import Task
from mae_bench.review.plausibility import impossible_values
from tests.adapters import strangers
from tests.adapters.strangers import WithoutDensity
from tests.job.test_execute import comparable, run
from tests.job.test_training import SPEC, FixedImages, context, fresh_model

pytestmark = pytest.mark.usefixtures("one_thread")


def job_of(model: str, task: Task) -> Job:
    [job] = plan(resolve_models(f"{strangers.__file__}:{model}"), [task], "smoke", [0])
    return job


# -- batches ----------------------------------------------------------------------------------------------------------


def test_each_pass_has_an_order_and_bits_of_its_own_that_the_seed_decides(digits_task: Task, tmp_path: Path) -> None:
    train = load_data(digits_task, preset="smoke").train
    before = torch.get_rng_state()
    first, second, again = (list(loader) for loader in [context(tmp_path).loader(train, 100)] * 2 + [
        context(tmp_path).loader(train, 100)
    ])  # fmt: skip
    assert torch.equal(torch.get_rng_state(), before)
    assert [x.shape for x in first] == [(100, 1, 8, 8)] * (len(train) // 100)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert not any(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    resumed = list(context(tmp_path).loader(train, 100, epoch=1))
    assert all(torch.equal(one, other) for one, other in zip(second, resumed, strict=True))


def test_every_image_is_seen_once_in_a_pass_but_those_of_an_incomplete_batch(tmp_path: Path) -> None:
    images = FixedImages(25)
    images.x = torch.arange(25.0).view(25, 1, 1, 1).expand(25, *SPEC.shape)
    images.batch = lambda indices, _generator=None: images.x[indices]  # type: ignore[method-assign]
    loader = context(tmp_path).loader(images)
    assert isinstance(loader, DataLoader) and (loader.batch_size, len(loader)) == (10, 2)
    seen = torch.cat(list(loader))[:, 0, 0, 0]
    assert len(seen) == len(seen.unique()) == 20 and not torch.equal(seen, seen.sort().values)
    everything = torch.cat(list(context(tmp_path).loader(images, shuffle=False)))[:, 0, 0, 0]
    assert torch.equal(everything, torch.arange(25.0))
    [few] = context(tmp_path).loader(images, 100)
    assert len(few) == 25
    assert torch.equal(loader.dataset[3], images.x[3])


# -- reports ----------------------------------------------------------------------------------------------------------


def test_reports_become_the_curve_and_the_progress(tmp_path: Path) -> None:
    told: list[tuple[str, int, int, str]] = []
    here = context(tmp_path)
    here.progress = lambda *what: told.append(what)
    for epoch in (1, 2):
        list(here.loader(FixedImages(40), epoch=epoch - 1))
        here.report(epoch=epoch, train={"loss": 3, "kl": 1.5}, validation=2.0, learning_rate=0.1, epochs=2)
    outcome = here.whole_outcome(5.0, threads=1)
    assert (outcome.status, outcome.epochs, outcome.steps, outcome.best_epoch) == ("complete", 2, 8, None)
    assert outcome.curve[1] == {
        "epoch": 2,
        "step": 8,
        "learning_rate": 0.1,
        "train": {"loss": 3.0, "kl": 1.5},
        "validation_negative_elbo": None,
        "validation_loss": 2.0,
    }
    assert told[0] == ("training", 0, 0, "") and told[-1] == (
        "training", 8, 8, "epoch 2/2, loss 3.00, validation loss 2.00"
    )  # fmt: skip
    here.remove_files()
    assert not list(tmp_path.iterdir())


def test_a_fit_without_the_loader_counts_its_own_steps(tmp_path: Path) -> None:
    here = context(tmp_path)
    with pytest.raises(UsageError, match=r"reports epoch 1 after 0 steps.*context\.loader"):
        here.report(epoch=1, train=1.0)
    here.report(epoch=1, train=1.0, step=70)
    here.report(epoch=2, train=0.5, step=140)
    outcome = here.whole_outcome(1.0, 1)
    assert [row["step"] for row in outcome.curve] == [70, 140] and outcome.steps == 140


@pytest.mark.parametrize(
    ("report", "error", "sentence"),
    [
        ({"epoch": 3, "train": 1.0}, UsageError, "reports epoch 3 after epoch 1; report every epoch in turn"),
        ({"epoch": 1, "train": 1.0}, UsageError, "reports epoch 1 after epoch 1"),
        ({"epoch": 2, "train": 1.0, "step": 9}, UsageError, "after 9 steps, which are no more than the 9"),
        ({"epoch": 2, "train": float("nan")}, TrainingError, "reports loss nan at epoch 2, which is not finite"),
        ({"epoch": 2, "train": 1.0, "validation": float("inf")}, TrainingError, "reports validation inf"),
        ({"epoch": 2, "train": {"kl": 1.0}}, UsageError, 'reports train without a "loss"'),
        ({"epoch": 2, "train": {"loss": 1.0, "a\nb": 1.0}}, UsageError, "short name that can be printed"),
    ],
)
def test_a_report_that_no_record_could_hold_is_an_error(tmp_path: Path, report, error, sentence) -> None:  # type: ignore[no-untyped-def]
    here = context(tmp_path)
    here.report(epoch=1, train=1.0, step=9)
    with pytest.raises(error, match=sentence):
        here.report(**{"step": 10, **report})


def test_reports_and_the_default_loop_exclude_each_other(tmp_path: Path) -> None:
    here = context(tmp_path / "one")
    here.report(epoch=1, train=1.0, step=1)
    with pytest.raises(UsageError, match=r"calls both context\.train and context\.report"):
        here.train(fresh_model(), FixedImages(40), FixedImages(12))
    there = context(tmp_path / "two")
    there.train(fresh_model(), FixedImages(40), FixedImages(12))
    with pytest.raises(UsageError, match=r"calls both context\.train and context\.report"):
        there.report(epoch=4, train=1.0, step=99)


def test_a_resumed_fit_goes_on_where_its_reports_stand(tmp_path: Path) -> None:
    first = context(tmp_path)
    for epoch in (1, 2, 3):
        list(first.loader(FixedImages(40), epoch=epoch - 1))
        first.report(epoch=epoch, train=float(epoch))
    time.sleep(0.05)
    second = context(tmp_path)
    list(second.loader(FixedImages(40), epoch=2))  # killed after its report, before its own checkpoint
    second.report(epoch=3, train=30.0)
    outcome = second.whole_outcome(1.0, 1)
    assert [row["train"]["loss"] for row in outcome.curve] == [1.0, 2.0, 30.0]
    assert (outcome.epochs, outcome.steps) == (3, 12)
    assert 1.0 < outcome.seconds < 1.05  # and not what the third epoch took before

    anew = context(tmp_path)
    list(anew.loader(FixedImages(40)))
    assert (anew.whole_outcome(1.0, 1).epochs, anew.whole_outcome(1.0, 1).steps) == (0, 4)

    at_its_end = context(tmp_path).whole_outcome(1.0, 1)
    assert (at_its_end.epochs, at_its_end.steps) == (3, 12)
    with pytest.raises(UsageError, match=r"give context.loader the epochs that are done \(epoch=...\)"):
        context(tmp_path).report(epoch=5, train=1.0, step=99)


@pytest.mark.parametrize("content", ["", "[3]", "{}", '[{"row": {}}]', "[["])
def test_a_damaged_file_of_reports_is_as_good_as_absent(tmp_path: Path, content: str) -> None:
    (tmp_path / REPORTS_FILE).write_text(content)
    assert context(tmp_path).whole_outcome(1.0, 1).epochs == 0


def test_a_job_that_trains_itself_is_resumed_and_its_record_is_that_of_an_undisturbed_one(
    digits_task: Task, tmp_path: Path
) -> None:
    job = job_of("OwnTrainer[die_after=2]", digits_task)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "died").touch()
    with pytest.raises(RuntimeError, match="killed"):
        run(job, tmp_path / "a")
    assert len(json.loads((tmp_path / "a" / REPORTS_FILE).read_text())) == 2
    resumed, undisturbed = run(job, tmp_path / "a"), run(job, tmp_path / "b")
    assert comparable(resumed) == comparable(undisturbed)
    assert (resumed.training.epochs, resumed.training.reason) == (3, "the model's own fit")
    assert resumed.training.steps == 3 * (load_data(digits_task, preset="smoke").spec.train_size // 100)
    losses = [row.validation_loss for row in resumed.training.curve]
    assert losses == sorted(losses, reverse=True)
    assert impossible_values(resumed, digits_task) == []
    assert not (tmp_path / "a" / REPORTS_FILE).exists()


# -- the clock --------------------------------------------------------------------------------------------------------


def test_a_fit_of_its_own_is_stopped_by_the_clock_and_its_last_weights_are_scored(
    digits_task: Task, tmp_path: Path
) -> None:
    job = job_of("OwnTrainer[epochs=100000]", digits_task)
    record = run(job, tmp_path, max_minutes=0.05)
    assert record.training.status == "partial"
    assert record.training.reason == "the model's own fit, cut short after 0.05 minutes of training"
    assert record.training.epochs >= 1 and record.training.steps >= record.training.curve[-1].step
    assert 3 <= record.clocks.training_seconds < 30
    assert impossible_values(record, digits_task) == []
    longer = run(job, tmp_path, max_minutes=0.02)  # goes on from its own checkpoint
    assert longer.training.epochs > record.training.epochs
    assert impossible_values(longer, digits_task) == []


def test_the_last_report_of_all_is_in_time(tmp_path: Path) -> None:
    here = context(tmp_path, max_minutes=1e-9)
    with pytest.raises(OutOfTime, match="the 1e-09 minutes of training are over"):
        here.report(epoch=1, train=1.0, step=1, epochs=2)
    there = context(tmp_path / "other", max_minutes=1e-9)
    there.report(epoch=1, train=1.0, step=1, epochs=1)
    assert there.whole_outcome(1.0, 1).status == "complete"
    with pytest.raises(OutOfTime):
        list(here.loader(FixedImages(40), shuffle=False))


# -- the default loop, more than once, and without a density ----------------------------------------------------------


def test_a_second_training_is_its_own_and_a_job_killed_in_it_ends_in_the_same_bits(
    digits_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of("TwoStages", digits_task)
    undisturbed = run(job, tmp_path / "a")
    batches = undisturbed.training.curve[0].step
    assert (undisturbed.training.epochs, undisturbed.training.steps) == (5, 5 * batches)
    assert (undisturbed.training.best_epoch, undisturbed.training.own_settings) == (None, None)
    assert [row.step for row in undisturbed.training.curve] == [batches * epoch for epoch in range(1, 6)]
    assert impossible_values(undisturbed, digits_task) == []

    ends = iter(range(100))
    with monkeypatch.context() as patched:
        end_epoch = TrainingLoop._end_epoch

        def dying(loop: TrainingLoop) -> None:
            if next(ends) == 3:  # the second of the second training, after a checkpoint
                loop._save()
                raise KeyboardInterrupt
            end_epoch(loop)

        patched.setattr(TrainingLoop, "_end_epoch", dying)
        with pytest.raises(KeyboardInterrupt):
            run(job, tmp_path / "b", checkpoint_minutes=0)
    assert (tmp_path / "b" / "training-2.safetensors").exists()
    assert comparable(run(job, tmp_path / "b")) == comparable(undisturbed)
    assert sorted(path.name for path in (tmp_path / "b").glob("*.safetensors")) == [MODEL_FILE]


@pytest.mark.parametrize("model", ["TwoStages", "OwnTrainer"])
def test_the_curve_is_told_as_it_grows_and_as_the_record_has_it(digits_task: Task, tmp_path: Path, model: str) -> None:
    told: list[list[dict[str, object]]] = []
    record = execute(
        job_of(model, digits_task),
        working_directory=tmp_path,
        device="cpu",
        progress=lambda *_: None,
        curve=lambda rows: told.append([dict(row) for row in rows]),
    )
    rows = [row.model_dump(mode="json") for row in record.training.curve]
    assert [len(curve) for curve in told] == list(range(1, len(rows) + 1))
    assert told[-1] == rows


def test_the_minutes_are_those_of_both_trainings(digits_task: Task, tmp_path: Path) -> None:
    record = run(job_of("TwoStages", digits_task), tmp_path, max_minutes=1e-9)
    assert (record.training.status, record.training.epochs) == ("partial", 0)
    assert impossible_values(record, digits_task) == []


def test_a_model_without_a_density_is_validated_by_its_loss(digits_task: Task, tmp_path: Path) -> None:
    record = run(job_of("WithoutDensity[units=4]", digits_task), tmp_path)
    [row] = record.training.curve
    assert row.validation_negative_elbo is None and record.training.best_epoch == 1
    assert "nll" not in record.metrics and "has no importance_terms" in record.not_supported["nll"]
    assert impossible_values(record, digits_task) == []


def test_the_loss_of_the_average_on_all_validation_images_is_what_counts(tmp_path: Path) -> None:
    here, model = context(tmp_path), WithoutDensity(SPEC, "small")
    loop = TrainingLoop(here, here.settings, model, FixedImages(40), FixedImages(12))
    value = loop._validate()
    with torch.no_grad():
        parts = [model.loss(FixedImages(12).x[a:b]).total * (b - a) for a, b in ((0, 10), (10, 12))]
    assert value == pytest.approx(float(sum(parts)) / 12) and loop.validated_by_loss
    assert "best validation loss" in _note_after_an_epoch(loop)


def _note_after_an_epoch(loop: TrainingLoop) -> str:
    loop.run()
    return loop._note()


def test_a_validation_loss_that_is_not_finite_is_an_error(tmp_path: Path) -> None:
    class Infinite(WithoutDensity):
        def loss(self, x):  # type: ignore[no-untyped-def]
            loss = super().loss(x)
            return loss if self.training else type(loss)(loss.total / 0, {})

    here = context(tmp_path)
    with pytest.raises(TrainingError, match=r"after step 4: the validation loss is not finite at inf"):
        here.train(Infinite(SPEC, "small"), FixedImages(40), FixedImages(12))


def test_a_model_without_a_loss_is_refused_by_name_before_the_first_step(tmp_path: Path) -> None:
    class Lossless(Adapter):
        def __init__(self) -> None:
            super().__init__(SPEC, "small")
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
            raise AssertionError("validated before it was trained")

    here, model = context(tmp_path), Lossless()
    with pytest.raises(TrainingError, match=r"^Lossless has no loss\(x\).*a fit of the model's own"):
        here.train(model, FixedImages(40), FixedImages(12))
