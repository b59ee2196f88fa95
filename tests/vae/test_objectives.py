"""Objectives against plain loops over torch.distributions and numerical integration."""

import math
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.integrate import quad
from scipy.stats import chi2, norm
from torch.distributions import Normal, kl_divergence

from mae_bench.adapter import DiagonalGaussian
from mae_bench.vae.objectives import (
    ELBO,
    ImportanceWeighted,
    InfoVAEObjective,
    MutualPosteriorDivergence,
    WeightedELBO,
    diversity_loss,
    maximum_mean_discrepancy,
    mean_diversity_loss,
    smoothness_loss,
)

FORMS = [diversity_loss, mean_diversity_loss, smoothness_loss]


def gaussians(rows, units, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(rows, units, generator=generator, dtype=torch.float64)
    return mean, -1 + 0.7 * torch.randn(rows, units, generator=generator, dtype=torch.float64)


def divergences_of_pairs(mean, log_variance):
    """[pairs, D]: KL(q(z_d|x_i) || q(z_d|x_j)) for every i != j, one pair at a time."""
    std = torch.exp(0.5 * log_variance)
    pairs = [(i, j) for i in range(len(mean)) for j in range(len(mean)) if i != j]
    return torch.stack([kl_divergence(Normal(mean[i], std[i]), Normal(mean[j], std[j])) for i, j in pairs])


def softplus(value):
    return math.log1p(math.exp(value))


def test_diversity_loss_is_equation_8():
    mean, log_variance = gaussians(6, 4)
    pairs = divergences_of_pairs(mean, log_variance)
    expected = sum(softplus(-float(kl)) for row in pairs for kl in row) / 30
    assert float(diversity_loss(mean, log_variance)) == pytest.approx(expected, rel=1e-10)


def test_diversity_loss_of_two_posteriors_by_quadrature():
    mean, log_variance = gaussians(2, 1, seed=3)
    densities = [norm(float(m), math.exp(0.5 * float(v))) for m, v in zip(mean, log_variance, strict=True)]

    def divergence(p, q):
        return quad(lambda z: p.pdf(z) * (p.logpdf(z) - q.logpdf(z)), -12, 12, limit=200)[0]

    one, other = divergence(*densities), divergence(*densities[::-1])
    assert abs(one - other) > 0.01
    found = diversity_loss(mean, log_variance)
    assert float(found) == pytest.approx((softplus(-one) + softplus(-other)) / 2, rel=1e-8)


def test_mean_diversity_loss_is_the_softplus_of_the_averaged_divergence():
    mean, log_variance = gaussians(6, 4)
    pairs = divergences_of_pairs(mean, log_variance)
    expected = sum(softplus(-float(pairs[:, unit].sum()) / 30) for unit in range(4))
    assert float(mean_diversity_loss(mean, log_variance)) == pytest.approx(expected, rel=1e-10)


def test_the_mean_form_divides_by_eta_within_as_the_code_does():
    mean, log_variance = gaussians(6, 4)
    pairs = divergences_of_pairs(mean, log_variance)
    expected = sum(softplus(-float(pairs[:, unit].sum()) / 30 / 2.0) for unit in range(4))
    assert float(mean_diversity_loss(mean, log_variance, eta=2.0)) == pytest.approx(expected, rel=1e-10)
    off = MutualPosteriorDivergence(eta=0.0, gamma=0.0, diversity="mean")
    assert float(off(torch.ones(6), torch.ones(6), DiagonalGaussian(mean, log_variance)).total) == 2.0


@pytest.mark.parametrize("seed", range(5))
def test_the_mean_form_is_never_above_the_papers(seed):
    mean, log_variance = gaussians(8, 3, seed)
    assert mean_diversity_loss(mean, log_variance) < diversity_loss(mean, log_variance)


def test_the_two_diversity_losses_at_a_mean_divergence_of_two_and_a_half():
    """The specification's 0.31 and 0.08 a unit: posteriors of one variance whose means are normally distributed.

    The divergence of a pair is then 2.5 times a chi-square of one degree of freedom.
    """
    means = 2.5**0.5 * torch.tensor(norm.ppf((np.arange(1500) + 0.5) / 1500))[:, None]
    log_variance = torch.zeros_like(means)
    paper, mean_form = float(diversity_loss(means, log_variance)), float(mean_diversity_loss(means, log_variance))
    # sqrt(k) takes the pole of the chi-square's density at zero away.
    by_quadrature = quad(lambda root: softplus(-2.5 * root**2) * chi2(1).pdf(root**2) * 2 * root, 0, 10)[0]
    assert paper == pytest.approx(by_quadrature, abs=3e-3)
    assert mean_form == pytest.approx(softplus(-2.5), abs=1e-3)
    assert (round(paper, 2), round(mean_form, 2)) == (0.31, 0.08)


def test_smoothness_loss_is_equation_6_in_the_batch():
    mean, log_variance = gaussians(6, 4)
    expected = np.std(divergences_of_pairs(mean, log_variance).sum(1).numpy())
    assert float(smoothness_loss(mean, log_variance)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_those_of_the_plain_loop(form):
    def plain(mean, log_variance):
        pairs = divergences_of_pairs(mean, log_variance)
        if form is diversity_loss:
            return F.softplus(-pairs).mean(0).sum()
        if form is mean_diversity_loss:
            return F.softplus(-pairs.mean(0)).sum()
        return pairs.sum(1).std(correction=0)

    posteriors = [tensor.requires_grad_() for tensor in gaussians(5, 3)]
    found = torch.autograd.grad(form(*posteriors), posteriors)
    expected = torch.autograd.grad(plain(*posteriors), posteriors)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("rows", [2, 10])
@pytest.mark.parametrize("equal", [True, False])
@pytest.mark.parametrize("form", FORMS)
def test_gradients_are_finite_for_equal_posteriors_and_for_two(form, equal, rows):
    mean, log_variance = (tensor.float() for tensor in gaussians(rows, 3))
    if equal:
        mean, log_variance = mean[:1].repeat(rows, 1), log_variance[:1].repeat(rows, 1)
    posteriors = [mean.requires_grad_(), log_variance.requires_grad_()]
    value = form(*posteriors)
    value.backward()
    assert value.isfinite()
    assert all(tensor.grad.isfinite().all() for tensor in posteriors)
    if equal:
        assert value.item() == pytest.approx(0 if form is smoothness_loss else 3 * math.log(2), abs=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_one_image_has_no_pairs(form):
    with pytest.raises(ValueError, match="at least two"):
        form(*gaussians(1, 3))


def elbo_of(objective, kl):
    """The loss of a batch with reconstruction errors 3 and 5, and its gradient with respect to the KL [B]."""
    kl = torch.tensor(kl, requires_grad=True)
    loss = objective(torch.tensor([3.0, 5.0]), kl, DiagonalGaussian(torch.zeros(2, 1), torch.zeros(2, 1)))
    loss.total.backward()
    return loss, kl.grad.tolist()


@pytest.mark.parametrize(
    ("free_bits", "kl", "charged", "gradient"),
    [
        (0.01, [1.0, 10.0], 7.84, 0.0),  # 0.01 x 784 nats; the mean of 5.5 is below, though one image is above
        (0.01, [1.0, 20.0], 10.5, 0.5),  # the mean is above, though one image is below
        (0.02, [1.0, 20.0], 15.68, 0.0),
        (0.0, [1.0, 10.0], 5.5, 0.5),
        (0.0, [-4.0, 1.0], -1.5, 0.5),  # an estimate by samples may be negative; nothing clamps it
    ],
)
def test_free_bits_clamp_the_batch_mean_of_the_total_kl(free_bits, kl, charged, gradient):
    loss, found = elbo_of(ELBO(784, free_bits), kl)
    assert loss.total.item() == pytest.approx(4.0 + charged)
    assert found == [gradient, gradient]
    assert loss.terms["kl"].item() == pytest.approx(sum(kl) / 2)  # reported as it is
    assert loss.terms["reconstruction_error"].item() == 4.0


@pytest.mark.parametrize(
    ("diversity", "form"), [("paper", diversity_loss), ("mean", partial(mean_diversity_loss, eta=2.0))]
)
def test_the_mae_objective_is_equation_7(diversity, form):
    mean, log_variance = gaussians(5, 3)
    objective = MutualPosteriorDivergence(eta=2.0, gamma=0.25, diversity=diversity)
    error, kl = torch.rand(5, dtype=torch.float64), torch.rand(5, dtype=torch.float64)
    loss = objective(error, kl, DiagonalGaussian(mean, log_variance))
    diverse, smooth = form(mean, log_variance), smoothness_loss(mean, log_variance)
    assert float(loss.total) == pytest.approx(float(error.mean() + kl.mean() + 2.0 * diverse + 0.25 * smooth))
    expected = {"reconstruction_error": error.mean(), "kl": kl.mean(), "diversity": diverse, "smoothness": smooth}
    assert {name: float(term) for name, term in loss.terms.items()} == pytest.approx(
        {name: float(term) for name, term in expected.items()}
    )


@pytest.mark.parametrize(
    ("units", "eta", "rises"), [(1, 2.3, True), (1, 2.5, False), (32, 1.2, True), (32, 1.3, False)]
)
def test_next_to_collapse_the_objective_of_mae_rises_up_to_a_threshold_of_eta(units, eta, rises):
    """q(z|x) = N(m, 1) beside the prior N(0, 1), with Var(m) = v small and gamma = 0.5: docs/training.md, Objectives.

    The KL costs v/2 a unit, eq. (8) gives back eta v/2, and the divergences of pairs, v times a chi-squared variable of
    as many degrees as units, have the standard deviation sqrt(2 units) v.
    """
    mean, _ = gaussians(400, units)
    variance = 1e-4
    mean = math.sqrt(variance) * (mean - mean.mean(0)) / mean.std(0)
    objective = MutualPosteriorDivergence(eta=eta, gamma=0.5)

    def loss(mean):
        kl = mean.square().sum(1) / 2
        return float(objective(torch.zeros(len(mean)), kl, DiagonalGaussian(mean, torch.zeros_like(mean))).total)

    change = loss(mean) - loss(torch.zeros_like(mean))
    slope = units * (1 - eta) / 2 + 0.5 * math.sqrt(2 * units)
    assert (change > 0) == rises == (slope > 0)
    assert change == pytest.approx(slope * variance, abs=0.1 * units * variance)


def test_next_to_collapse_at_eta_one_the_objective_rises_in_second_order_without_smoothness():
    mean, _ = gaussians(2000, 1)
    variance = 0.02
    mean = math.sqrt(variance) * (mean - mean.mean(0)) / mean.std(0)
    change = mean.square().mean() / 2 + diversity_loss(mean, torch.zeros_like(mean)) - math.log(2)
    assert float(change) == pytest.approx(3 / 8 * variance**2, rel=0.15)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ELBO(784, -0.01), "free_bits must not be negative, and is -0.01"),
        (lambda: MutualPosteriorDivergence(-1.0, 0.5), "eta and gamma must not be negative, and are -1.0 and 0.5"),
        (lambda: MutualPosteriorDivergence(1.0, -0.5), "eta and gamma must not be negative, and are 1.0 and -0.5"),
        (lambda: MutualPosteriorDivergence(1.0, 0.5, "code"), "diversity must be one of paper, mean, and is 'code'"),
    ],
)
def test_wrong_settings_are_sentences(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def weights_of_a_batch(draws, seed=0):
    """reconstruction error and KL: [4, draws], as if from draws of a posterior."""
    generator = torch.Generator().manual_seed(seed)
    made = 3 * torch.rand(2, 4, draws, generator=generator, dtype=torch.float64)
    return made[0].requires_grad_(), made[1].requires_grad_()


POSTERIOR = DiagonalGaussian(*gaussians(4, 3))


def test_the_importance_weighted_bound_is_a_log_mean_of_weights_and_never_above_the_elbo():
    error, kl = weights_of_a_batch(50)
    loss = ImportanceWeighted()(error, kl, POSTERIOR)
    expected = -torch.exp(-error - kl).mean(1).log().mean()
    torch.testing.assert_close(loss.total, expected)
    assert loss.total < loss.terms["reconstruction_error"] + loss.terms["kl"]
    assert loss.terms["kl"] == kl.mean()


def test_the_importance_weighted_bound_of_one_draw_is_the_elbo():
    terms = weights_of_a_batch(1)
    torch.testing.assert_close(
        ImportanceWeighted()(*terms, POSTERIOR).total, ELBO(9)(*terms, POSTERIOR).total, rtol=1e-12, atol=0
    )


def test_the_gradient_of_the_importance_weighted_bound_is_that_of_the_normalised_weights():
    """Burda et al., eq. (14): the gradients of log w_k, weighted by w_k / sum of w."""
    error, kl = weights_of_a_batch(6)
    ImportanceWeighted()(error, kl, POSTERIOR).total.backward()
    weights = torch.exp(-error - kl).detach()
    expected = weights / weights.sum(1, keepdim=True) / 4
    torch.testing.assert_close(error.grad, expected)
    torch.testing.assert_close(kl.grad, expected)


def test_the_weighted_elbo():
    error, kl = weights_of_a_batch(1)
    torch.testing.assert_close(WeightedELBO(4.0)(error, kl, POSTERIOR).total, error.mean() + 4 * kl.mean())
    with pytest.raises(ValueError, match="beta must not be negative"):
        WeightedELBO(-1.0)


def test_the_discrepancy_is_unbiased_for_gaussians():
    """For N(m, s I) and N(0, I) the expected kernel has a closed form: the convolution of three Gaussians."""
    units, mean, variance, generator = 3, 0.7, 0.5, torch.Generator().manual_seed(0)

    def expected_kernel(distance, spread):
        total = units + spread
        return (units / total) ** (units / 2) * math.exp(-units * distance**2 / (2 * total))

    expected = expected_kernel(0, 2 * variance) + expected_kernel(0, 2.0) - 2 * expected_kernel(mean, 1 + variance)
    found = []
    for _ in range(2000):
        first = mean + math.sqrt(variance) * torch.randn(5, units, generator=generator)
        found.append(float(maximum_mean_discrepancy(first, torch.randn(8, units, generator=generator))))
    assert abs(np.mean(found) - expected) < 4 * np.std(found) / math.sqrt(2000)
    assert expected > 10 * np.std(found) / math.sqrt(2000)


def test_the_discrepancy_is_a_double_loop_over_pairs():
    first, second = torch.randn(4, 3), 1 + torch.randn(6, 3)

    def kernel(a, b):
        return math.exp(-float((a - b).square().sum()) / 6)

    within = [
        np.mean([kernel(a, b) for i, a in enumerate(points) for j, b in enumerate(points) if i != j])
        for points in (first, second)
    ]
    expected = sum(within) - 2 * np.mean([kernel(a, b) for a in first for b in second])
    assert float(maximum_mean_discrepancy(first, second)) == pytest.approx(expected, abs=1e-5)
    with pytest.raises(ValueError, match="at least two points"):
        maximum_mean_discrepancy(first[:1], second)


def test_infovae_at_alpha_0_and_lambda_1_is_the_elbo_and_otherwise_weighs_kl_and_discrepancy():
    error, kl = weights_of_a_batch(1)
    assert InfoVAEObjective(0.0, 1.0)(error, kl, POSTERIOR).total == ELBO(9)(error, kl, POSTERIOR).total
    loss = InfoVAEObjective(0.25, 10.0)(error, kl, POSTERIOR)
    expected = error.mean() + 0.75 * kl.mean() + 9.25 * loss.terms["discrepancy"]
    torch.testing.assert_close(loss.total, expected)
    with pytest.raises(ValueError, match="at least 1"):
        InfoVAEObjective(0.5, 0.0)


def test_the_weight_of_the_kl_rises_over_the_steps_of_training_alone():
    error, kl = weights_of_a_batch(1)
    objective = ImportanceWeighted(warm_up=4)
    for weight in (0, 0.25, 0.5, 0.75, 1, 1):
        torch.testing.assert_close(objective(error, kl).total, error.mean() + weight * kl.mean())
    objective = ImportanceWeighted(warm_up=4).eval()
    torch.testing.assert_close(objective(error, kl).total, error.mean() + kl.mean())
