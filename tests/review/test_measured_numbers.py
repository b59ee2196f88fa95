"""No number that can be measured is refused: whatever images, weights and posteriors are, and however training went."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mae_bench.data import data_spec, load_data
from mae_bench.foundation.content import content_folder
from mae_bench.job.settings import JobSettings
from mae_bench.job.training_context import TrainingContext
from mae_bench.metrics.density import ShardScores, combine_shards
from mae_bench.metrics.posterior import _measurements, jackknife_errors
from mae_bench.metrics.settings import sample_levels
from mae_bench.planning.registry import load_adapter_class
from mae_bench.planning.task import load_task
from mae_bench.records.schema import seal
from mae_bench.review.plausibility import impossible_values

PROPERTY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SEEDS = st.integers(0, 2**32 - 1)


def small(task, images, samples=4):
    """The task with that many test images, all scored, and importance samples."""
    protocol = task.protocol("small")
    density = protocol.density.model_copy(update={"importance_samples": samples, "samples_per_chunk": samples})
    posterior = protocol.posterior.model_copy(update={"test_images": images})
    protocol = protocol.model_copy(update={"density": density, "posterior": posterior})
    data = task.data.model_copy(update={"test_size": images})
    return task.model_copy(update={"data": data, "presets": {"small": protocol}})


def faults_with(record, task, measurements, **replaced):
    """The faults of `record` with these measurements in place of its own."""
    content = json.loads(record.model_dump_json()) | replaced
    for one in measurements:
        content["metrics"][one.name] |= {"value": one.value, "stderr": one.stderr, "n": one.n, "reason": one.reason}
    return impossible_values(seal(content), task)


def group_means(log_weights, k):
    """-log of the mean weight of each group of k draws, averaged over the groups: [B]."""
    groups = torch.from_numpy(log_weights).reshape(len(log_weights), -1, k)
    return (np.log(k) - groups.logsumexp(2)).mean(1).numpy()


@given(st.integers(2, 30), st.sampled_from([1, 2, 4, 16]), st.sampled_from([0.0, 1e-9, 1e-3, 1.0, 30.0, 1e4]), SEEDS)
@PROPERTY
def test_density(honest_record, digits_task, images, samples, spread, seed):  # noqa: PLR0917 (hypothesis and fixtures)
    """Weights from equal to far apart, the same for all images or not, with images that no model expects."""
    random = np.random.default_rng(seed)
    noise = random.standard_normal((images, samples)) * spread
    noise[random.random((images, samples)) < random.choice([0.0, 0.1])] -= spread * 100
    reconstruction = random.gamma(random.choice([0.1, 5.0]), 20.0, (images, 1)) * random.choice([1.0, 1e6])
    log_weights = -reconstruction - random.gamma(2.0, 2.0, (images, 1)) + noise * (random.random((images, 1)) < 0.7)
    log_weights -= np.maximum(log_weights.max(1, keepdims=True), 0.0)  # a probability, without making any two equal
    levels = sample_levels(samples)
    scores = ShardScores(
        nll_by_samples={k: group_means(log_weights, k) for k in levels},
        reconstruction_error=reconstruction[:, 0],
        kl=group_means(log_weights, 1) - reconstruction[:, 0],
        effective_sample_size=torch.exp(
            2 * torch.from_numpy(log_weights).logsumexp(1) - torch.from_numpy(2 * log_weights).logsumexp(1)
        ).numpy(),
    )
    outcome = combine_shards([scores], 64)
    task = small(digits_task, images, samples)
    found = faults_with(
        honest_record(of=task),
        task,
        outcome.measurements,
        nll_by_samples={str(k): v for k, v in outcome.nll_by_samples.items()},
        nll_fall_stderr=outcome.nll_fall_stderr,
    )
    density = ("nll", "bits", "negative_elbo", "reconstruction", "effective")
    assert [fault for fault in found if fault.startswith(density)] == []


def posteriors(random, images, kind):
    """mean and log_variance, [images, D], of one of the kinds that strain the bounds."""
    mean = random.standard_normal((images, 3))
    log_variance = random.standard_normal((images, 3)) * random.choice([0.0, 1.0, 8.0])
    if kind == "one":
        mean[:], log_variance[:] = mean[0], log_variance[0]
    elif kind == "one apart":
        mean[1:], log_variance[1:] = mean[0], log_variance[0]
        mean[-1] += 10 ** random.uniform(-3, 6)
    elif kind == "one narrow":
        mean[1:], log_variance[:] = mean[0], 0.0
        mean[0] += 1e-3
        log_variance[0] = -30.0
    elif kind == "two kinds":
        mean[::2], log_variance[:] = mean[0], 0.0
        mean[1::2] = mean[1] + 1.0
        mean += random.standard_normal(mean.shape) * 1e-3
    return torch.from_numpy(mean), torch.from_numpy(log_variance)


@given(st.integers(2, 40), st.sampled_from(["any", "one", "one apart", "one narrow", "two kinds"]), SEEDS)
@PROPERTY
def test_geometry(honest_record, digits_task, images, kind, seed):
    measured = _measurements(*posteriors(np.random.default_rng(seed), images, kind), 0.01)
    task = small(digits_task, images)
    found = faults_with(honest_record(of=task), task, measured)
    assert [fault for fault in found if fault.startswith(("mpd", "active"))] == []


@given(st.integers(3, 40), st.sampled_from([0.02, 0.1, 1.0]), st.sampled_from([1.0, 3.0, 10.0]), SEEDS)
@PROPERTY
def test_the_bounds_of_jackknife_errors(images, share, power, seed):
    """Of any square matrix of numbers that are not below zero, most of them zero or not, alike or not."""
    random = np.random.default_rng(seed)
    pairs = random.random((images, images)) ** power * (random.random((images, images)) < share)
    rows = random.random((images, 1)) < random.choice([0.05, 0.5])
    pairs = (
        pairs * rows if random.random() < 0.3 else pairs * np.maximum(rows, rows.T) if random.random() < 0.3 else pairs
    )
    off = pairs[~np.eye(images, dtype=bool)]
    of_mean, of_std = jackknife_errors(torch.from_numpy(pairs.copy()))
    assert off.std() <= off.mean() * np.sqrt(off.size - 1) + 1e-12
    assert of_mean <= off.std() * np.sqrt(2 / (images - 2)) + 1e-12
    assert of_std <= 2.5 * off.std() + 1e-12


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """`train(task, max_minutes, folder, **own)`: the section of a training of VLAE at preset smoke, `own` its own."""

    def run(task, max_minutes=None, folder=None, **own):
        protocol, data = task.protocol("smoke").training, load_data(task, preset="smoke")
        torch.manual_seed(0)
        adapter = load_adapter_class("vlae")(data_spec(task, "smoke"), "smoke")
        context = TrainingContext(
            protocol,
            seed=0,
            device=torch.device("cpu"),
            checkpoint_directory=folder or tmp_path_factory.mktemp("training"),
            progress=lambda *_: None,
            job_settings=JobSettings(max_minutes=max_minutes),
        )
        context.train(adapter, data.train, data.validation, **own)
        section = asdict(context.outcome)
        section["clock"] = section.pop("seconds")
        del section["threads"]
        return section

    return run


@pytest.fixture(scope="module")
def three_epochs(train):
    """The section of a training whose `fit` asked for three epochs."""
    return train(load_task(content_folder("tasks") / "digits.toml"), max_epochs=3)


def judge(record, task, training):
    """The faults of a record with that section of its training."""
    section = {name: value for name, value in training.items() if name != "clock"} | {"parameters": 1000}
    clocks = {"training_seconds": round(training["clock"], 3), "evaluation_seconds": 0.5}
    return impossible_values(seal(record.model_dump() | {"training": section, "clocks": clocks}), task)


STUCK = {"learning_rate": 1e-30, "patience": 1, "halvings": 2, "max_epochs": 9}
UNSEEN = {
    "adam_betas": (0.5, 0.9),
    "gradient_clip": 1,
    "polyak_decay": 0.5,
    "initialisation_images": 99,
    "matrix_precision": "bfloat16",
}
"""Settings that leave no trace in the curve."""


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"max_epochs": 3},
        {"max_epochs": 2, "batch_size": 300, "learning_rate": 2e-3, "learning_rate_decay": 0.9},
        {"max_epochs": 2, "batch_size": 5000},
        STUCK,
        STUCK | {"halvings": 0, "max_epochs": 3},
        UNSEEN,
        {"learning_rate": 1e-323, "learning_rate_decay": 0.9},
    ],
    ids=[
        "the task's",
        "more epochs",
        "its own rate",
        "one batch",
        "halvings",
        "no end by halvings",
        "unseen",
        "a rate that float64 rounds",
    ],
)
def test_a_training_by_the_settings_of_fit(train, honest_record, digits_task, own):
    training = train(digits_task, **own)
    record = honest_record(preset="smoke")
    assert judge(record, digits_task, training) == []
    assert set(training["own_settings"]) == set(own)
    if own == STUCK:
        assert training["reason"] == "no gain for 1 epochs after 1 halvings of the learning rate"
    if own and own != UNSEEN:
        assert judge(record, digits_task, training | {"own_settings": {}}) != []


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ({"max_epochs": 2}, "training took 3 epochs, but ends after 2"),
        ({"max_epochs": 4}, "training ended after 3 epochs, but goes on to 4"),
        ({"batch_size": 50}, "training took 30 steps, but 3 epochs have"),
        ({"learning_rate": 1e-4}, "epoch 1 ends at learning rate 0.00099998, but the protocol's is then 9.9998e-05"),
        ({"learning_rate_decay": 0.9}, "epoch 1 ends at learning rate 0.00099998, but the protocol's is then"),
        ({"max_epochs": "3"}, "training.own_settings are not settings of the default loop"),
        ({"momentum": 0.9}, "training.own_settings are not settings of the default loop"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
def test_settings_that_the_training_did_not_have(three_epochs, honest_record, digits_task, lie, words):
    lying = three_epochs | {"own_settings": three_epochs["own_settings"] | lie}
    assert any(words in fault for fault in judge(honest_record(preset="smoke"), digits_task, lying))


def test_more_epochs_in_a_record_that_does_not_say_so(train, honest_record, digits_task):
    """Older ones do not state what `fit` replaced."""
    training = train(digits_task, max_epochs=2) | {"own_settings": None}
    assert judge(honest_record(preset="smoke"), digits_task, training) == []


def test_a_training_that_was_cut_short(train, honest_record, digits_task, tmp_path):
    record = honest_record(preset="smoke")
    cut = train(digits_task, 1e-9, tmp_path)
    assert (cut["status"], cut["best_epoch"]) == ("partial", None)
    assert cut["reason"] == "cut short after 1e-09 minutes of training; its last weights are scored"
    assert judge(record, digits_task, cut) == []
    while cut["status"] == "partial":
        assert judge(record, digits_task, cut) == []
        cut = train(digits_task, 1e-9, tmp_path, max_epochs=2)
    assert cut["own_settings"] == {"max_epochs": 2}
    assert judge(record, digits_task, cut) == []
