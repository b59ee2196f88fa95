"""Records of trainings that the default loop does not describe: honest ones are accepted, impossible ones are not."""

import time
from contextlib import suppress
from dataclasses import asdict

import pytest
import torch

from mae_bench import OutOfTime
from mae_bench.data import data_spec, load_data
from mae_bench.job.settings import JobSettings
from mae_bench.job.training_context import TrainingContext
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.planning.registry import load_adapter_class
from mae_bench.planning.task import SplitSizes
from mae_bench.records.schema import seal
from tests.adapters.strangers import WithoutDensity
from tests.review.test_measured_numbers import judge


@pytest.fixture
def own(tmp_path, digits_task):
    """`own(fit, max_minutes)`: the section of a training by `fit(train, validation, context)` alone."""

    def run(fit, max_minutes=None):
        data = load_data(digits_task, preset="smoke")
        context = TrainingContext(
            digits_task.protocol("smoke").training,
            seed=0,
            device=torch.device("cpu"),
            checkpoint_directory=tmp_path,
            progress=lambda *_: None,
            job_settings=JobSettings(max_minutes=max_minutes),
            sizes=SplitSizes(train=len(data.train), validation=len(data.validation), test=500),
        )
        started = time.monotonic()
        with suppress(OutOfTime):
            fit(data.train, data.validation, context)
        section = asdict(context.whole_outcome(time.monotonic() - started, 1))
        section["clock"] = section.pop("seconds")
        del section["threads"]
        return section

    return run


def vlae(digits_task):
    torch.manual_seed(0)
    return load_adapter_class("vlae")(data_spec(digits_task, "smoke"), "smoke")


def in_three_epochs(train, validation, context):
    """A loop of its own that takes batches and reports."""
    loader = context.loader(train, 300)
    for epoch in range(1, 4):
        assert len(list(loader)) == len(train) // 300
        context.report(epoch=epoch, train={"loss": 9.0 / epoch, "kl": 1.0}, validation=8.0 / epoch, epochs=3)


def test_a_fit_of_its_own(honest_record, digits_task, own):
    record = honest_record(preset="smoke")
    silent = own(lambda *_: None)
    assert (silent["reason"], silent["epochs"], silent["steps"]) == ("the model's own fit", 0, 0)
    assert judge(record, digits_task, silent) == []
    training = own(in_three_epochs)
    assert (training["epochs"], training["steps"]) == (3, 9)
    assert [row["validation_loss"] for row in training["curve"]] == [8.0, 4.0, 8.0 / 3]
    assert judge(record, digits_task, training) == []


def lying(training, **lies):
    """The section with other values: `curve_N_name` is that of the Nth row."""
    section = training | {"curve": [dict(row) for row in training["curve"]]}
    for name, value in lies.items():
        part, _, rest = name.partition("_")
        if part == "curve" and rest:
            number, _, key = rest.partition("_")
            section["curve"][int(number)][key] = value
        else:
            section[name] = value
    return section


@pytest.mark.parametrize(
    ("lies", "words"),
    [
        ({"epochs": 4}, "training.the length of the curve is 3, but is 4"),
        ({"steps": 8}, "epoch 3 at step 9 where epoch 3 ends after step 6 and not after step 8"),
        ({"steps": -1, "curve": [], "epochs": 0}, "training took -1 steps"),
        ({"best_epoch": 2}, "training.best_epoch is 2, but is None"),
        ({"own_settings": {}}, "training.own_settings is {}, but is None"),
        ({"train_images": 3}, "training.train_images is 3, but is None"),
        ({"reason": "the model's own fit, at its best"}, "training.reason is"),
        ({"status": "partial"}, "training was cut short for the reason"),
        ({"curve_1_epoch": 1}, "the curve has epoch 1 at step 6 where epoch 2 ends"),
        ({"curve_1_step": 3}, "the curve has epoch 2 at step 3 where epoch 2 ends after step 3"),
        ({"curve_0_train": {"kl": 1.0}}, "epoch 1 has no loss"),
        ({"curve_0_train": {"loss": None}}, "epoch 1 has a term that is not finite"),
        ({"curve_2_validation_negative_elbo": 3.0}, "epoch 3 was validated twice"),
        ({"steps": 0, "curve": [], "epochs": 0, "compiled": True}, "training.compiled is True, but is False"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
def test_what_no_fit_of_its_own_can_have_reported(honest_record, digits_task, own, lies, words):
    faults = judge(honest_record(preset="smoke"), digits_task, lying(own(in_three_epochs), **lies))
    assert any(words in fault for fault in faults), faults


def test_a_fit_of_its_own_that_was_cut_short(honest_record, digits_task, own):
    cut = own(in_three_epochs, max_minutes=1e-9)
    assert (cut["status"], cut["epochs"]) == ("partial", 0)
    assert cut["reason"] == "the model's own fit, cut short after 1e-09 minutes of training"
    record = honest_record(preset="smoke")
    assert judge(record, digits_task, cut) == []
    longer = lying(cut, reason="the model's own fit, cut short after 60 minutes of training")
    assert any("cut short after 60 minutes, but took" in fault for fault in judge(record, digits_task, longer))


def test_a_fit_that_trains_on_images_of_its_own_choice(honest_record, digits_task, own):
    def fit(train, validation, context):
        fewer = train.subset(torch.arange(250))
        context.train(vlae(digits_task), fewer, validation.subset(torch.arange(40)), max_epochs=2)

    training, record = own(fit), honest_record(preset="smoke")
    assert (training["train_images"], training["validation_images"]) == (250, 40)
    assert training["steps"] == 2 * (250 // digits_task.protocol("smoke").training.batch_size)
    assert judge(record, digits_task, training) == []
    assert judge(record, digits_task, training | {"train_images": None}) != []
    assert any("there are 0 train images" in one for one in judge(record, digits_task, training | {"train_images": 0}))


def test_a_fit_that_trains_twice(honest_record, digits_task, own):
    def fit(train, validation, context):
        adapter = vlae(digits_task)
        context.train(adapter, train, validation, max_epochs=2)
        context.train(adapter, train, validation, learning_rate=1e-4)

    training, record = own(fit), honest_record(preset="smoke")
    assert (training["reason"], training["epochs"], training["best_epoch"]) == ("the model's own fit", 3, None)
    assert [row["epoch"] for row in training["curve"]] == [1, 2, 3]
    assert training["curve"][2]["learning_rate"] < 1e-4 < training["curve"][1]["learning_rate"]
    assert judge(record, digits_task, training) == []


def test_a_model_without_a_density_is_validated_by_its_loss(honest_record, digits_task, own):
    def fit(train, validation, context):
        torch.manual_seed(0)
        model = WithoutDensity(data_spec(digits_task, "smoke"), "smoke")
        context.train(model, train, validation, max_epochs=2)

    training, record = own(fit), honest_record(preset="smoke")
    assert all(row["validation_negative_elbo"] is None for row in training["curve"])
    (fault,) = judge(record, digits_task, training)
    assert fault == "training was validated by the model's own loss, but the model has a density"
    content = record.model_dump()
    density = [name for name in content["metrics"] if metric_kind(name).family == "density"]
    content |= {"nll_by_samples": {}, "not_supported": dict.fromkeys(density, "it has none")}
    content["metrics"] = {name: value for name, value in content["metrics"].items() if name not in density}
    without = seal(content)
    assert judge(without, digits_task, training) == []
    worst = lying(training, curve_0_validation_loss=1e40)
    assert any("epoch 1 has the validation loss 1e+40" in fault for fault in judge(without, digits_task, worst))
    swapped = lying(training, best_epoch=1 if training["best_epoch"] == 2 else 2)
    assert any("has the lowest validation" in fault for fault in judge(without, digits_task, swapped))
