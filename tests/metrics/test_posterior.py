"""Posterior geometry against torch.distributions, quadrature, simulation and a plain double loop."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from torch.distributions import Normal, kl_divergence

from mae_bench.adapter import Adapter, DataSpec, DiagonalGaussian
from mae_bench.foundation.errors import MaeBenchError
from mae_bench.metrics import posterior
from mae_bench.metrics.catalogue import metrics_of
from mae_bench.metrics.posterior import (
    evaluate_posterior,
    jackknife_errors,
    pairwise_kl,
    posterior_divergence_std,
    total_pairwise_kl,
)
from mae_bench.metrics.settings import PosteriorSettings

SPEC = DataSpec(shape=(1, 1, 4), likelihood="bernoulli", train_size=10, classes=2)


def gaussians(rows: int, dimensions: int, seed: int = 0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(rows, dimensions, generator=generator, dtype=dtype)
    log_variance = -1 + 0.7 * torch.randn(rows, dimensions, generator=generator, dtype=dtype)
    return mean, log_variance


def log_normal(z, mean, std):
    return -0.5 * ((z - mean) / std) ** 2 - np.log(std * np.sqrt(2 * np.pi))


def kl_by_quadrature(log_p, log_q) -> float:
    """KL(p || q) of two densities on the line by numerical integration; log_p, log_q: functions of z."""
    return quad(lambda z: np.exp(log_p(z)) * (log_p(z) - log_q(z)), -15, 15, limit=200)[0]


def double_loop(mean, log_variance) -> np.ndarray:
    """The divergences of all pairs i != j, one at a time, from torch.distributions."""
    std = torch.exp(0.5 * log_variance)
    rows = range(len(mean))
    pairs = [(i, j) for i in rows for j in rows if i != j]
    return np.array([float(kl_divergence(Normal(mean[i], std[i]), Normal(mean[j], std[j])).sum()) for i, j in pairs])


def mpd(mean, log_variance) -> float:
    """As it is in a record."""
    settings = PosteriorSettings(test_images=len(mean), active_unit_variance=0.01)
    measurement, *_ = evaluate_posterior(TablePosterior(mean, log_variance), Images(len(mean)), settings).measurements
    assert measurement.name == "mpd"
    return measurement.value


def test_pairwise_kl_is_torch_distributions_divergence_element_by_element():
    mean, log_variance = gaussians(6, 5)
    std = torch.exp(0.5 * log_variance)
    expected = kl_divergence(Normal(mean.unsqueeze(1), std.unsqueeze(1)), Normal(mean, std))
    found = pairwise_kl(mean, log_variance)
    assert found.shape == (6, 6, 5)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(total_pairwise_kl(mean, log_variance), expected.sum(-1), rtol=1e-10, atol=1e-12)


def test_the_first_index_is_the_first_argument_of_the_divergence_by_quadrature():
    mean, log_variance = torch.tensor([[0.3], [-0.9]]).double(), torch.tensor([[-1.0], [0.8]]).double()
    std = torch.exp(0.5 * log_variance)[:, 0]
    found = pairwise_kl(mean, log_variance)
    log_densities = [partial(log_normal, mean=float(m), std=float(s)) for m, s in zip(mean, std, strict=True)]
    for i, j in [(0, 1), (1, 0)]:
        by_quadrature = kl_by_quadrature(log_densities[i], log_densities[j])
        assert float(found[i, j, 0]) == pytest.approx(by_quadrature, abs=1e-9)
    assert abs(float(found[0, 1, 0] - found[1, 0, 0])) > 0.1


def test_nearly_equal_posteriors_keep_their_digits_in_float32():
    base_mean, base_log_variance = gaussians(1, 8, dtype=torch.float32)
    generator = torch.Generator().manual_seed(1)
    mean = 100 + base_mean + 1e-3 * torch.randn(10, 8, generator=generator)
    log_variance = base_log_variance + 1e-2 * torch.randn(10, 8, generator=generator)
    exact = double_loop(mean.double(), log_variance.double())
    assert mpd(mean, log_variance) == pytest.approx(exact.mean(), rel=1e-5)
    assert float(posterior_divergence_std(mean, log_variance)) == pytest.approx(exact.std(), rel=1e-5)
    off_diagonal = ~torch.eye(10, dtype=torch.bool)
    np.testing.assert_allclose(pairwise_kl(mean, log_variance).sum(-1)[off_diagonal].numpy(), exact, rtol=2e-3)
    of_variances_alone = pairwise_kl(torch.zeros_like(mean), log_variance).sum(-1)[off_diagonal]
    exact = double_loop(torch.zeros_like(mean).double(), log_variance.double())
    np.testing.assert_allclose(of_variances_alone.numpy(), exact, rtol=2e-5)


def test_mpd_and_its_std_are_mean_and_population_std_over_ordered_pairs_of_different_images():
    mean, log_variance = gaussians(7, 4, dtype=torch.float32)
    divergences = double_loop(mean.double(), log_variance.double())
    assert len(divergences) == 42
    assert mpd(mean, log_variance) == pytest.approx(divergences.mean(), rel=1e-10)
    mean, log_variance = mean.double(), log_variance.double()
    assert float(posterior_divergence_std(mean, log_variance)) == pytest.approx(divergences.std(ddof=0), rel=1e-10)


def test_theorem_1_by_quadrature():
    """Eq. (10) takes X1 and X2 independent from P(X). For n equally likely images that includes X1 = X2, whose
    divergence is 0; our MPD leaves those pairs out and is n / (n - 1) times the theorem's.
    """
    mean, log_variance = gaussians(4, 1, seed=3)
    means, stds = mean[:, 0].numpy(), torch.exp(0.5 * log_variance)[:, 0].numpy()

    log_posteriors = [partial(log_normal, mean=m, std=s) for m, s in zip(means, stds, strict=True)]

    def log_marginal(z):
        return np.logaddexp.reduce(log_normal(z, means, stds)) - np.log(4)

    symmetric = [kl_by_quadrature(q, log_marginal) + kl_by_quadrature(log_marginal, q) for q in log_posteriors]
    over_all_pairs = total_pairwise_kl(mean, log_variance).mean()
    assert float(over_all_pairs) == pytest.approx(np.mean(symmetric), abs=1e-8)
    different = over_all_pairs * 16 / 12  # a posterior beside itself adds nothing to the sum
    assert mpd(mean.float(), log_variance.float()) == pytest.approx(float(different), rel=1e-5)
    assert float(different) == pytest.approx(4 / 3 * np.mean(symmetric), abs=1e-8)


@pytest.mark.parametrize("function", [pairwise_kl, total_pairwise_kl, posterior_divergence_std])
def test_gradients_are_right(function):
    mean, log_variance = (tensor.requires_grad_() for tensor in gaussians(4, 3, seed=2))
    assert torch.autograd.gradcheck(function, (mean, log_variance))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_pairs_have_no_spread_and_a_finite_gradient(dtype):
    mean = torch.full((6, 3), 0.3, dtype=dtype, requires_grad=True)
    log_variance = torch.full((6, 3), -0.7, dtype=dtype, requires_grad=True)
    std = posterior_divergence_std(mean, log_variance)
    assert 0 <= std.item() < 1e-6
    std.backward()
    assert mean.grad.isfinite().all()
    assert log_variance.grad.isfinite().all()
    assert total_pairwise_kl(mean, log_variance).abs().max().item() == pytest.approx(0, abs=1e-12)


def test_a_single_posterior_has_no_pairs():
    with pytest.raises(ValueError, match="needs at least two posteriors, there is 1"):
        posterior_divergence_std(torch.zeros(1, 3), torch.zeros(1, 3))


def test_jackknife_errors_equal_recomputing_without_each_image():
    mean, log_variance = gaussians(9, 3, seed=4)
    kept = [[j for j in range(9) if j != i] for i in range(9)]
    divergences = [double_loop(mean[rows], log_variance[rows]) for rows in kept]
    found = jackknife_errors(total_pairwise_kl(mean, log_variance))
    for statistic, error in zip((np.mean, np.std), found, strict=True):
        left_out = np.array([statistic(values) for values in divergences])
        assert error == pytest.approx(np.sqrt(8 / 9 * ((left_out - left_out.mean()) ** 2).sum()), rel=1e-9)


def test_jackknife_errors_are_finite_where_one_pair_is_left_and_rounding_makes_its_variance_negative():
    """Of three images with symmetric divergences, leaving one out leaves two equal numbers."""
    for seed in range(50):
        matrix = torch.rand(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        mean_error, std_error = jackknife_errors(matrix + matrix.T)
        assert mean_error > 0
        assert std_error == pytest.approx(0, abs=1e-7)


def test_jackknife_errors_agree_with_the_spread_over_repeated_samples():
    found = []
    for seed in range(400):
        mean, log_variance = gaussians(60, 3, seed=seed)
        divergences = total_pairwise_kl(mean, log_variance)
        pairs = divergences[~torch.eye(60, dtype=torch.bool)]
        found.append((float(pairs.mean()), float(pairs.std(correction=0)), *jackknife_errors(divergences)))
    mpd, std, mpd_error, std_error = np.array(found).T
    assert np.sqrt((mpd_error**2).mean()) == pytest.approx(mpd.std(ddof=1), rel=0.15)
    assert np.sqrt((std_error**2).mean()) == pytest.approx(std.std(ddof=1), rel=0.25)


class Images:
    """Images whose first pixel is their number."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def batch(self, indices, generator=None):
        return indices.float().view(-1, 1, 1, 1).expand(-1, 1, 1, 4)


class TablePosterior(Adapter):
    """Looks the posterior of an image up by its number."""

    def __init__(self, mean, log_variance) -> None:
        super().__init__(SPEC, "small")
        self.mean, self.log_variance = mean, log_variance

    def posterior(self, x):
        rows = x[:, 0, 0, 0].long()
        return DiagonalGaussian(self.mean[rows], self.log_variance[rows])


def test_evaluation_takes_the_first_images_in_batches():
    mean, log_variance = gaussians(700, 2, dtype=torch.float32)
    settings = PosteriorSettings(test_images=600, active_unit_variance=0.01)
    outcome = evaluate_posterior(TablePosterior(mean, log_variance), Images(700), settings)
    found = {measurement.name: measurement for measurement in outcome.measurements}
    divergences = pairwise_kl(mean[:600].double(), log_variance[:600].double()).sum(-1)
    off_diagonal = divergences[~torch.eye(600, dtype=torch.bool)].numpy()
    assert found["mpd"].value == pytest.approx(off_diagonal.mean(), rel=1e-9)
    assert found["mpd_std"].value == pytest.approx(off_diagonal.std(), rel=1e-9)
    assert found["mpd"].stderr == pytest.approx(jackknife_errors(divergences)[0], rel=1e-6)
    assert {measurement.n for measurement in outcome.measurements} == {600}
    assert outcome.not_supported == {}


def test_a_unit_is_active_where_its_mean_varies_by_more_than_the_threshold():
    signs = torch.tensor([1.0, -1.0]).repeat(50).unsqueeze(1)
    mean = 7.0 + signs * torch.tensor([0.0, 0.09, 0.11, 3.0])  # variances 0, 0.0082, 0.0122, 9.09
    log_variance = torch.tensor([1.0, -1.0]).repeat(50).unsqueeze(1).expand(-1, 4)
    settings = PosteriorSettings(test_images=100, active_unit_variance=0.01)
    found = evaluate_posterior(TablePosterior(mean, log_variance), Images(100), settings).measurements[2]
    assert (found.name, found.value, found.stderr) == ("active_units", 2.0, None)


@pytest.mark.parametrize(("threshold", "active"), [(0.5, 0.0), (np.nextafter(0.5, 0), 1.0)])
def test_a_variance_at_the_threshold_is_not_beyond_it(threshold, active):
    mean = torch.tensor([[0.0], [1.0]])  # of variance 1/2
    settings = PosteriorSettings(test_images=2, active_unit_variance=threshold)
    found = evaluate_posterior(TablePosterior(mean, torch.zeros(2, 1)), Images(2), settings)
    assert found.measurements[2].value == active


@pytest.mark.parametrize(("images", "has_error"), [(2, False), (3, True), (4, True)])
def test_standard_errors_need_three_images(images, has_error):
    settings = PosteriorSettings(test_images=images, active_unit_variance=0.01)
    found = evaluate_posterior(TablePosterior(*gaussians(images, 2)), Images(images), settings)
    assert [one.stderr is not None for one in found.measurements] == [has_error, has_error, False]


def test_means_far_from_zero_cost_no_digits():
    mean, log_variance = gaussians(6, 3)
    far = total_pairwise_kl(mean + 2.0**26, log_variance)
    assert torch.allclose(far, pairwise_kl(mean, log_variance).sum(-1), rtol=0, atol=1e-5)


def test_the_posterior_is_asked_for_in_evaluation_mode():
    class Watched(TablePosterior):
        def posterior(self, x):
            assert not self.training
            return super().posterior(x)

    model = Watched(*gaussians(4, 2)).train()
    settings = PosteriorSettings(test_images=4, active_unit_variance=0.01)
    assert len(evaluate_posterior(model, Images(4), settings).measurements) == 3


def test_a_model_without_a_gaussian_posterior_has_no_geometry_but_a_reason():
    settings = PosteriorSettings(test_images=5, active_unit_variance=0.01)
    outcome = evaluate_posterior(Adapter(SPEC, "small"), Images(5), settings)
    assert outcome.measurements == []
    reason = "not supported by this model: it has no diagonal Gaussian posterior"
    assert outcome.not_supported == dict.fromkeys(metrics_of("posterior"), reason)


@pytest.mark.parametrize(
    ("row", "log_variance", "reason"),
    [
        (float("nan"), 0.0, "2 of 5 images have a posterior that is not finite"),
        (0.0, float("-inf"), "2 of 5 images have a posterior that is not finite"),
        (0.0, -800.0, "the divergence of two posteriors is too large for a float64"),
    ],
)
def test_what_is_not_finite_has_no_value_and_a_reason(row, log_variance, reason):
    mean, log_variances = torch.zeros(5, 3), torch.zeros(5, 3)
    mean[1:3, 0], log_variances[1:3, 0] = row, log_variance
    settings = PosteriorSettings(test_images=5, active_unit_variance=0.01)
    outcome = evaluate_posterior(TablePosterior(mean, log_variances), Images(5), settings)
    assert [(m.value, m.stderr, m.reason) for m in outcome.measurements] == [(None, None, reason)] * 3


def test_wrong_answers_and_too_few_images_are_sentences():
    settings = PosteriorSettings(test_images=5, active_unit_variance=0.01)
    with pytest.raises(MaeBenchError, match=r"posterior\(x\) returned log_variance as float32 \[5, 2\], not a float32"):
        evaluate_posterior(TablePosterior(torch.zeros(5, 3), torch.zeros(5, 2)), Images(5), settings)
    with pytest.raises(MaeBenchError, match="test_images is 5, but there are 4"):
        evaluate_posterior(TablePosterior(torch.zeros(5, 3), torch.zeros(5, 3)), Images(4), settings)


def test_finite_divergences_whose_mean_or_error_no_float64_holds_have_a_reason():
    """Each KL is below the largest float64, their sum or the sum of their squares is not."""
    mean = torch.zeros(5, 1, dtype=torch.float64)
    mean[:, 0] = torch.arange(5, dtype=torch.float64) * 1e80
    settings = PosteriorSettings(test_images=5, active_unit_variance=0.01)
    outcome = evaluate_posterior(TablePosterior(mean, torch.zeros_like(mean)), Images(5), settings)
    assert [(m.value, m.stderr) for m in outcome.measurements] == [(None, None)] * 3
    (reason,) = {m.reason for m in outcome.measurements}
    assert reason == "mpd or its standard error is too large for a float64" or reason.startswith("mpd_std")


def test_whatever_the_geometry_raises_is_a_reason(monkeypatch):
    def fail(*_):
        raise ValueError("no")

    monkeypatch.setattr(posterior, "jackknife_errors", fail)
    settings = PosteriorSettings(test_images=5, active_unit_variance=0.01)
    outcome = evaluate_posterior(TablePosterior(torch.zeros(5, 3), torch.zeros(5, 3)), Images(5), settings)
    assert {m.reason for m in outcome.measurements} == {
        "it cannot be computed from the model's answers: ValueError: no"
    }
