"""The importance-weighted estimator against closed forms and against the whole [B, K] matrix of its own draws."""

from itertools import pairwise
from math import log

import numpy as np
import pytest
import torch
from torch import Tensor

from mae_bench.adapter import Adapter, ImportanceTerms
from mae_bench.foundation.errors import MaeBenchError
from mae_bench.foundation.seeding import derive_seed
from mae_bench.metrics.answers import seeded
from mae_bench.metrics.catalogue import metrics_of
from mae_bench.metrics.density import (
    chunk_seeds,
    combine_shards,
    evaluate_density,
    importance_weighted_nll,
    score_shard,
)
from mae_bench.metrics.settings import DensitySettings, sample_levels
from tests.metrics.linear_gaussian import SPEC, FixedImages, LinearGaussian


class Answering(Adapter):
    """Answers importance_terms with what `answer(x, samples)` returns."""

    def __init__(self, answer) -> None:
        super().__init__(SPEC, "small")
        self.importance_terms = answer


def settings(samples=64, chunk=16, shard=8, images="all") -> DensitySettings:
    return DensitySettings(
        importance_samples=samples, samples_per_chunk=chunk, images_per_shard=shard, test_images=images
    )


def evaluate(adapter, images, protocol, *, task_seed=3, seed=0, progress=lambda *_: None, finished=None):
    return evaluate_density(
        adapter, images, protocol, task_seed=task_seed, seed=seed, progress=progress, finished=finished
    )


def values(outcome) -> dict[str, float | None]:
    return {measurement.name: measurement.value for measurement in outcome.measurements}


def all_log_densities(adapter, x, protocol, seed, shard) -> ImportanceTerms:
    """The same draws as score_shard's, kept as whole [B, K] matrices in float64."""
    chunks = []
    for chunk in range(protocol.importance_samples // protocol.samples_per_chunk):
        with seeded(derive_seed(seed, "density", shard, chunk), x.device):
            chunks.append(adapter.importance_terms(x, protocol.samples_per_chunk))
    parts = zip(*((c.log_likelihood, c.log_prior, c.log_posterior) for c in chunks), strict=True)
    return ImportanceTerms(*(torch.cat(part, dim=1).double() for part in parts))


def test_the_estimator_finds_a_closed_form_likelihood_within_a_hundredth_of_a_nat():
    images, adapter = FixedImages(50), LinearGaussian()
    outcome = evaluate(adapter, images, settings(4096, 256, 16))
    exact = -adapter.exact_log_likelihood(images.x)
    measured = values(outcome)
    assert measured["nll"] == pytest.approx(float(exact.mean()), abs=0.01)
    assert measured["bits_per_dim"] == pytest.approx(float(exact.mean()) / (6 * log(2)), abs=0.01 / 4)
    assert measured["negative_elbo"] > measured["nll"] + 0.005
    stderr = next(m.stderr for m in outcome.measurements if m.name == "nll")
    assert stderr == pytest.approx(float(exact.std(correction=1)) / 50**0.5, rel=0.01)


def test_a_poor_proposal_still_gives_an_upper_bound_that_falls_towards_the_exact_value():
    images, adapter = FixedImages(50), LinearGaussian(widening=3.0)
    exact = float(-adapter.exact_log_likelihood(images.x).mean())
    by_samples = evaluate(adapter, images, settings(1024, 256, 50)).nll_by_samples
    assert by_samples[1] - exact > 0.5
    assert by_samples[1024] == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize(("samples", "chunk"), [(64, 64), (64, 16), (64, 8), (64, 1), (96, 32), (1, 1), (128, 128)])
def test_the_running_sums_equal_the_computation_on_the_whole_matrix(samples, chunk):
    protocol = settings(samples, chunk)
    adapter, x = LinearGaussian(widening=2.0), FixedImages(5).x
    scores = score_shard(adapter, x, protocol, seed=7, shard=2)
    terms = all_log_densities(adapter, x, protocol, seed=7, shard=2)
    weights = terms.log_weights.numpy()
    assert set(scores.nll_by_samples) == set(sample_levels(samples))
    for k, found in scores.nll_by_samples.items():
        grouped = np.log(np.exp(weights).reshape(5, samples // k, k).mean(axis=2))
        np.testing.assert_allclose(found, -grouped.mean(axis=1), rtol=0, atol=1e-10)
    w = np.exp(weights)
    np.testing.assert_allclose(scores.effective_sample_size, w.sum(1) ** 2 / (w**2).sum(1), rtol=1e-10)
    np.testing.assert_allclose(scores.reconstruction_error, -terms.log_likelihood.mean(1), atol=1e-10)
    np.testing.assert_allclose(scores.kl, (terms.log_posterior - terms.log_prior).mean(1), atol=1e-10)
    np.testing.assert_allclose(scores.nll_by_samples[1], scores.reconstruction_error + scores.kl, atol=1e-10)


def test_the_nll_never_rises_with_samples_and_is_the_negative_elbo_at_one():
    outcome = evaluate(LinearGaussian(widening=2.5), FixedImages(20), settings(256, 16))
    by_samples = outcome.nll_by_samples
    assert list(by_samples) == [1, 4, 16, 64, 256]
    assert all(later < earlier for earlier, later in pairwise(by_samples.values()))
    assert by_samples[1] == values(outcome)["negative_elbo"]
    assert by_samples[256] == values(outcome)["nll"]


def test_no_stream_of_draws_comes_twice():
    """At the size of preset paper, job 38 would draw two chunks from one state of torch's generator."""
    shards, chunks, seed = 625, 16, 38
    plain = [derive_seed(seed, "density", shard, chunk) for shard in range(shards) for chunk in range(chunks)]
    assert len({one % 2**32 for one in plain}) == len(plain) - 1
    late, early = chunk_seeds(seed, 624, chunks), chunk_seeds(seed, 3, chunks)
    assert early == plain[3 * chunks : 4 * chunks], "a seed that agrees with no other is as it was derived"
    chosen = [one for shard in range(shards) for one in chunk_seeds(seed, shard, chunks)]
    assert chosen[-chunks:] == late, "whichever shard is asked for first"
    assert len({one % 2**32 for one in chosen}) == len(chosen)
    assert sum(one != other for one, other in zip(plain, chosen, strict=True)) == 1


def test_a_seed_is_32_bits_to_torch():
    """Why it takes care: the day torch takes more of a seed, this can go."""
    first, second = (torch.Generator().manual_seed(seed) for seed in (5, 5 + 2**32))
    assert torch.equal(torch.rand(3, generator=first), torch.rand(3, generator=second))


def test_sample_levels_divide_the_samples():
    assert sample_levels(4096) == (1, 4, 16, 64, 256, 1024, 4096)
    assert sample_levels(128) == (1, 4, 16, 64, 128)
    assert sample_levels(96) == (1, 4, 16, 96)
    assert sample_levels(1) == (1,)


def test_shards_are_independent_of_their_order_and_of_the_global_random_state():
    protocol, images, adapter = settings(32, 8, 4), FixedImages(12), LinearGaussian()
    whole = evaluate(adapter, images, protocol, seed=5)
    torch.manual_seed(99)
    shards = list(enumerate(torch.split(torch.arange(12), 4)))
    apart = {s: score_shard(adapter, images.batch(i), protocol, seed=5, shard=s) for s, i in reversed(shards)}
    assert combine_shards([apart[s] for s in range(3)], SPEC.dimensions) == whole
    other_shard = score_shard(adapter, images.batch(shards[0][1]), protocol, seed=5, shard=1)
    assert (other_shard.nll_by_samples[1] != apart[0].nll_by_samples[1]).all()
    assert values(evaluate(adapter, images, protocol, seed=6))["nll"] != values(whole)["nll"]


def test_finished_shards_are_not_scored_again_and_new_ones_join_them():
    protocol, images, adapter = settings(32, 8, 4), FixedImages(12), LinearGaussian()
    whole = evaluate(adapter, images, protocol, seed=5)
    finished = {1: score_shard(adapter, images.batch(torch.arange(4, 8)), protocol, seed=5, shard=1)}
    adapter.asked.clear()
    assert evaluate(adapter, images, protocol, seed=5, finished=finished) == whole
    assert len(adapter.asked) == 2 * 4
    assert sorted(finished) == [0, 1, 2]
    assert evaluate(adapter, images, protocol, seed=5, finished=finished) == whole
    assert len(adapter.asked) == 2 * 4


def test_chunks_of_one_shard_draw_different_numbers():
    terms = all_log_densities(LinearGaussian(), FixedImages(2).x, settings(16, 8), seed=0, shard=0)
    assert not torch.equal(terms.log_weights[:, :8], terms.log_weights[:, 8:])


def test_an_evaluation_leaves_the_global_random_state_as_it_was():
    before = torch.get_rng_state()
    evaluate(LinearGaussian(), FixedImages(4), settings())
    assert torch.equal(torch.get_rng_state(), before)


def test_a_model_is_never_asked_for_more_than_a_chunk_of_a_shard_at_once():
    adapter = LinearGaussian()
    evaluate(adapter, FixedImages(20), settings(256, 16, 8))
    assert set(adapter.asked) == {(8, 16), (4, 16)}
    assert len(adapter.asked) == 3 * 16


def test_accumulation_is_in_float64_where_float32_would_lose_the_answer():
    generator = torch.Generator().manual_seed(0)
    log_likelihood, log_prior, log_posterior = torch.randn(3, 3, 4096, generator=generator)
    terms = ImportanceTerms(log_likelihood - 1e4, log_prior, log_posterior)
    log_weights = terms.log_likelihood.double() + log_prior.double() - log_posterior.double()
    exact = 1e4 - np.log(np.exp(log_weights.numpy() + 1e4).mean(axis=1))
    found = importance_weighted_nll(terms)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), exact, rtol=0, atol=1e-9)
    in_float32 = log(4096) - torch.logsumexp(terms.log_weights, dim=1)
    assert np.abs(in_float32.numpy() - exact).max() > 1e-5
    adapter = Answering(lambda x, samples: terms)
    scores = score_shard(adapter, FixedImages(3).x, settings(4096, 4096), seed=0, shard=0)
    np.testing.assert_allclose(scores.nll_by_samples[4096], exact, rtol=0, atol=1e-9)


def test_importance_weighted_nll_is_differentiable_and_weighs_the_samples_by_their_weights():
    log_likelihood = torch.tensor([[0.0, log(3.0)]], requires_grad=True)
    zeros = torch.zeros(1, 2)
    nll = importance_weighted_nll(ImportanceTerms(log_likelihood, zeros, zeros))
    assert nll.item() == pytest.approx(-log(2.0))
    nll.sum().backward()
    assert log_likelihood.grad.tolist() == [[pytest.approx(-0.25), pytest.approx(-0.75)]]


def test_an_exact_likelihood_answered_with_equal_columns_has_full_effective_sample_size():
    def exact(x: Tensor, samples: int) -> ImportanceTerms:
        log_likelihood = -x.flatten(1).sum(1, keepdim=True).expand(-1, samples) - 80.0
        return ImportanceTerms(log_likelihood, torch.zeros_like(log_likelihood), torch.zeros_like(log_likelihood))

    outcome = evaluate(Answering(exact), FixedImages(10), settings())
    measured = values(outcome)
    assert measured["effective_sample_size"] == pytest.approx(64)
    assert measured["kl"] == 0
    assert measured["nll"] == pytest.approx(measured["reconstruction_error"])
    assert measured["nll"] == pytest.approx(80 + float(FixedImages(10).x.sum()) / 10)


CHOSEN_IMAGES = [0, 13, 29, 37, 60, 64, 69, 76, 82, 87]


def test_the_scored_images_are_fixed_by_the_task():
    seen = []

    class Recording(FixedImages):
        def batch(self, indices, generator=None):
            seen.extend(indices.tolist())
            return super().batch(indices)

    outcome = evaluate(LinearGaussian(), Recording(100), settings(images=10), task_seed=1998, seed=0)
    assert seen == CHOSEN_IMAGES
    assert {measurement.n for measurement in outcome.measurements} == {10}
    evaluate(LinearGaussian(), Recording(100), settings(images=10), task_seed=1998, seed=1)
    assert seen == CHOSEN_IMAGES * 2
    evaluate(LinearGaussian(), Recording(100), settings(images=10), task_seed=1999, seed=0)
    assert seen[20:] != CHOSEN_IMAGES


def test_progress_counts_every_chunk_to_the_end():
    calls = []
    evaluate(LinearGaussian(), FixedImages(20), settings(64, 16, 8), progress=lambda *call: calls.append(call))
    assert calls == [("evaluating", done, 12, "density") for done in range(1, 13)]


@pytest.mark.parametrize("fault", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("term", [0, 1, 2])
def test_a_log_weight_that_is_not_finite_takes_the_value_away_and_says_how_many(fault, term):
    def answer(x: Tensor, samples: int) -> ImportanceTerms:
        terms = [torch.zeros(len(x), samples) for _ in range(3)]
        terms[term][:3, samples - 1] = fault
        return ImportanceTerms(*terms)

    outcome = evaluate(Answering(answer), FixedImages(10), settings(shard=10))
    assert [measurement.name for measurement in outcome.measurements] == list(metrics_of("density"))
    for measurement in outcome.measurements:
        assert measurement.value is None
        assert measurement.stderr is None
        assert measurement.reason == "3 of 10 images have a log-weight that is not finite"
    assert outcome.nll_by_samples == {}
    assert outcome.not_supported == {}


def test_a_model_without_importance_terms_has_no_density_metric_but_a_reason_for_each():
    outcome = evaluate(Adapter(SPEC, "small"), FixedImages(4), settings())
    assert outcome.measurements == []
    assert set(outcome.not_supported) == set(metrics_of("density"))
    assert set(outcome.not_supported.values()) == {
        "Adapter has no importance_terms(x, samples), so it has no likelihood"
    }
    assert outcome.nll_by_samples == {}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (lambda good: good.log_prior, "returned Tensor, not an ImportanceTerms"),
        (
            lambda good: ImportanceTerms(good.log_likelihood, good.log_prior[:, 0], good.log_posterior),
            r"returned log_prior as float32 \[4\], not a float32 tensor \[4, 16\]",
        ),
        (
            lambda good: ImportanceTerms(good.log_likelihood.T, good.log_prior, good.log_posterior),
            r"returned log_likelihood as float32 \[16, 4\]",
        ),
        (
            lambda good: ImportanceTerms(good.log_likelihood, good.log_prior, good.log_posterior.half()),
            r"returned log_posterior as float16 \[4, 16\]",
        ),
        (lambda good: ImportanceTerms(good.log_likelihood, good.log_prior, 0.0), "returned log_posterior as float,"),
    ],
)
def test_a_wrong_answer_is_a_sentence_that_names_the_adapter_and_what_is_expected(answer, sentence):
    good = LinearGaussian().importance_terms
    adapter = Answering(lambda x, samples: answer(good(x, samples)))
    with pytest.raises(MaeBenchError, match=rf"^Answering\.importance_terms\(x, 16\) {sentence}"):
        evaluate(adapter, FixedImages(4), settings())


def test_more_images_than_there_are_is_a_sentence():
    with pytest.raises(MaeBenchError, match="test_images is 10, but there are 4"):
        evaluate(LinearGaussian(), FixedImages(4), settings(images=10))


def test_one_image_has_a_value_and_no_standard_error():
    outcome = evaluate(LinearGaussian(), FixedImages(1), settings())
    assert all(measurement.value is not None and measurement.stderr is None for measurement in outcome.measurements)


def test_models_are_scored_in_evaluation_mode_and_without_gradients():
    class Watching(LinearGaussian):
        def importance_terms(self, x, samples):
            assert not self.training
            assert not torch.is_grad_enabled()
            return super().importance_terms(x, samples)

    evaluate(Watching().train(), FixedImages(2), settings())


@pytest.mark.parametrize("size", [1e308, 1e200])
def test_finite_weights_whose_mean_or_error_no_float64_holds_take_the_values_away(size):
    """The terms cancel in the weights, and not in the reconstruction error."""

    def answer(x, samples):
        large = torch.full((len(x), samples), size, dtype=torch.float64)
        large[::2] *= -1
        return ImportanceTerms(large, -large, torch.zeros_like(large))

    outcome = evaluate(Answering(answer), FixedImages(10), settings())
    assert values(outcome) == dict.fromkeys(metrics_of("density"))
    (reason,) = {measurement.reason for measurement in outcome.measurements}
    assert reason == "reconstruction_error or its standard error is too large for a float64"
    assert outcome.nll_by_samples == {}


def test_the_fall_of_the_nll_has_the_error_of_its_values_over_images():
    """Recomputed image by image, from a model whose NLL falls."""
    images, protocol = FixedImages(20), settings(64, 16)
    outcome = evaluate(LinearGaussian(widening=2.5), images, protocol)
    shards = [
        score_shard(LinearGaussian(widening=2.5), images.batch(indices), protocol, seed=0, shard=shard)
        for shard, indices in enumerate(torch.arange(20).split(protocol.images_per_shard))
    ]
    falls = np.concatenate([shard.nll_by_samples[16] - shard.nll_by_samples[64] for shard in shards])
    assert (falls >= 0).all()
    assert outcome.nll_by_samples[16] - outcome.nll_by_samples[64] == pytest.approx(falls.mean())
    assert outcome.nll_fall_stderr == pytest.approx(np.sqrt(falls.var(ddof=1) / 20))


def test_one_sample_or_one_image_leaves_no_error_of_a_fall():
    assert evaluate(LinearGaussian(), FixedImages(20), settings(1, 1)).nll_fall_stderr is None
    assert evaluate(LinearGaussian(), FixedImages(1), settings(64, 16)).nll_fall_stderr is None
