"""`evaluate` and `load_data`: what the harness sees, and scores without a store that leave the model as it was."""

from pathlib import Path

import numpy as np
import pytest
import torch

import mae_bench as mb
from mae_bench.data import load_data as load_data_of
from mae_bench.foundation.errors import UsageError
from tests.adapters.tiny import Tiny

CIFAR = Path(__file__).resolve().parents[1] / "fixtures" / "cifar10_120"


@pytest.fixture
def model():
    return Tiny(mb.load_data("digits").spec, "smoke")


def test_the_images_are_those_of_a_job(digits_task):
    for preset in (None, "smoke"):
        data, expected = mb.load_data("digits", preset=preset), load_data_of(digits_task, preset=preset)
        assert torch.equal(data.test.bits, expected.test.bits)
        assert torch.equal(data.train.pixels, expected.train.pixels)
        assert data.hashes == expected.hashes and data.spec == expected.spec


def test_scores_are_a_frame_by_metric(model):
    scores = mb.evaluate(model, "digits", preset="smoke")
    images = mb.load_data("digits", preset="smoke").test
    fair = scores.loc["nll"]
    assert fair.value == pytest.approx(64 * np.log(2), rel=1e-6)  # every bit has probability 1/2, in every image
    assert (fair.n, fair.unit, fair.direction) == (64, "nats", "lower")
    assert np.isnan(scores.loc["mpd"].value) and "posterior" in scores.loc["mpd"].reason
    assert 0.1 < scores.loc["knn_100"].value < 1 and len(images) == scores.loc["knn_100"].n


def test_nothing_of_the_model_or_of_the_process_is_changed(model):
    model.frozen = torch.nn.Dropout().eval()
    model.train()
    model.frozen.eval()
    torch.manual_seed(5)
    before, state = model.logits.clone(), torch.get_rng_state()
    mb.evaluate(model, "digits", preset="smoke")
    assert model.training and not model.frozen.training
    assert torch.equal(model.logits, before) and torch.equal(torch.get_rng_state(), state)


def test_a_model_for_other_images_is_refused(model, tmp_path):
    with pytest.raises(UsageError, match=r"Tiny is made for images of shape \(1, 8, 8\).* mnist_500 has shape \(1, 28"):
        mb.evaluate(model, CIFAR.parent / "mnist_500" / "mnist_500.toml", preset="smoke")


@pytest.fixture(autouse=True)
def _images_of_the_fixtures(monkeypatch):
    monkeypatch.setenv("MAE_BENCH_DATA", str(CIFAR.parent / "mnist_500"))


def test_a_model_that_declares_no_likelihood_answers_for_bits_alone(monkeypatch):
    monkeypatch.setenv("MAE_BENCH_DATA", str(CIFAR))
    task = CIFAR / "cifar10_120.toml"
    scores = mb.evaluate(Tiny(mb.load_data(task).spec, "smoke"), task, preset="smoke")
    assert np.isnan(scores.loc["nll"].value) and "declare it in `likelihoods`" in scores.loc["nll"].reason


def test_a_law_that_is_broken_is_warned_of(model):
    class Lucky(Tiny):
        def importance_terms(self, x, samples):
            terms = super().importance_terms(x, samples)
            return mb.ImportanceTerms(terms.log_likelihood + 100, terms.log_prior, terms.log_posterior)

    with pytest.warns(UserWarning, match="Lucky breaks a law on digits"):
        mb.evaluate(Lucky(model.data, "smoke"), "digits", preset="smoke")
