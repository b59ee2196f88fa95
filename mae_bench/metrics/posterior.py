"""The geometry of a model's posteriors: mutual posterior divergence, its standard deviation, active units.

q(z|x_i) is a diagonal Gaussian with mean and log_variance [B, D] (row i). Expectations over two images are means over
the ordered pairs i != j. The functions of tensors are differentiable and serve the training objective as well.
"""

import torch
from torch import Tensor

from mae_bench.adapter import Adapter, Images, NotSupported
from mae_bench.foundation.errors import MaeBenchError
from mae_bench.metrics.answers import IMAGES_PER_BATCH, ask_posterior
from mae_bench.metrics.catalogue import metrics_of
from mae_bench.metrics.outcome import Measurement, Outcome, computed, without_value
from mae_bench.metrics.settings import PosteriorSettings

_SMALLEST_VARIANCE = 1e-24
"""Below the rounding of float64: a variance of pairs under it is zero, and the square root there has no gradient."""


def pairwise_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """[B, B, D], nats: element [i, j, d] is KL(q(z_d|x_i) || q(z_d|x_j)).

    Built from the differences of the two Gaussians, so that nearly equal ones lose no digits in float32.
    """
    log_ratio = log_variance.unsqueeze(1) - log_variance
    shift = (mean.unsqueeze(1) - mean) * torch.exp(-0.5 * log_variance)
    return 0.5 * (torch.expm1(log_ratio) - log_ratio + shift.square())


def total_pairwise_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """[B, B], nats, float64: element [i, j] is KL(q(z|x_i) || q(z|x_j)), over all D dimensions.

    By matrix products, hence in B x B memory. Expanding the square cancels digits, which float64 and centred means
    can spare.
    """
    mean, log_variance = mean.double(), log_variance.double()
    mean = mean - mean.mean(0)
    precision = torch.exp(-log_variance)
    cross = (torch.exp(log_variance) + mean.square()) @ precision.T - 2 * mean @ (mean * precision).T
    of_second = (mean.square() * precision + log_variance).sum(1)
    of_first = log_variance.sum(1, keepdim=True) + mean.shape[1]
    return 0.5 * (cross + of_second - of_first)


def mutual_posterior_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Eq. (4) of the paper: the mean of KL(q(z|x_i) || q(z|x_j)) over pairs i != j; a scalar, nats.

    ValueError if there are fewer than two rows.
    """
    return _pairs(total_pairwise_kl(mean, log_variance)).mean().to(mean.dtype)


def posterior_divergence_std(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Eq. (6) of the paper: the standard deviation of KL(q(z|x_i) || q(z|x_j)) over pairs i != j; a scalar, nats.

    The population's, that is with the number of ordered pairs as divisor. It is never below 1e-12, and if all pairs
    are equal its gradient is zero. ValueError if there are fewer than two rows.
    """
    variance = _pairs(total_pairwise_kl(mean, log_variance)).var(correction=0)
    return variance.clamp_min(_SMALLEST_VARIANCE).sqrt().to(mean.dtype)


@torch.no_grad()
def evaluate_posterior(adapter: Adapter, test: Images, settings: PosteriorSettings) -> Outcome:
    """MPD, its standard deviation and active units over the first `settings.test_images` test images.

    MPD is eq. (4) of the paper: the mean of KL(q(z|x_i) || q(z|x_j)) over pairs i != j.
    Standard errors of the first two are jackknife estimates over images: the pairs are not independent, the images are.
    A unit is active if its posterior mean varies over images by more than `settings.active_unit_variance`
    (Burda et al., 2015). Without a Gaussian posterior all three are absent, with the model's reason.
    """
    if settings.test_images > len(test):
        raise MaeBenchError(
            f"[posterior] test_images is {settings.test_images}, but there are {len(test)} test images; lower it."
        )
    adapter.eval()
    batches = torch.split(torch.arange(settings.test_images), IMAGES_PER_BATCH)
    try:
        answers = [ask_posterior(adapter, test.batch(indices)) for indices in batches]
    except NotSupported as error:
        return Outcome([], dict.fromkeys(metrics_of("posterior"), str(error)))
    mean = torch.cat([answer.mean for answer in answers])
    log_variance = torch.cat([answer.log_variance for answer in answers])
    names = metrics_of("posterior")
    return Outcome(
        computed(names, len(mean), lambda: _measurements(mean, log_variance, settings.active_unit_variance)), {}
    )


def _measurements(mean: Tensor, log_variance: Tensor, active_unit_variance: float) -> list[Measurement]:
    n = len(mean)
    divergences = total_pairwise_kl(mean, log_variance)
    reason = None
    if faulty := n - int((mean.isfinite() & log_variance.isfinite()).all(1).sum()):
        reason = f"{faulty} of {n} images have a posterior that is not finite"
    elif not divergences.isfinite().all():
        reason = "the divergence of two posteriors is too large for a float64"
    if reason:
        return without_value(metrics_of("posterior"), n, reason)
    pairs = _pairs(divergences)
    errors = jackknife_errors(divergences) if n > 2 else (None, None)
    active_units = int((mean.var(0, correction=1) > active_unit_variance).sum())
    return [
        Measurement("mpd", float(pairs.mean()), errors[0], n),
        Measurement("mpd_std", float(pairs.std(correction=0)), errors[1], n),
        Measurement("active_units", float(active_units), None, n),
    ]


def jackknife_errors(divergences: Tensor) -> tuple[float, float]:
    """The standard errors of the mean and of the standard deviation over pairs i != j of `divergences`, [n, n], n > 2.

    Leaving out image i takes row i and column i away. The variance of a statistic t is then estimated by
    (n - 1)/n sum_i (t_i - mean t)^2 (Efron and Stein, 1981); for the mean, a U-statistic, that is its Hoeffding
    projection's to first order.
    """
    n = len(divergences)
    centred = (divergences - _pairs(divergences).mean()).fill_diagonal_(0)
    squares = centred.square()
    left = (n - 1) * (n - 2)
    means = (centred.sum() - centred.sum(0) - centred.sum(1)) / left
    mean_squares = (squares.sum() - squares.sum(0) - squares.sum(1)) / left
    stds = (mean_squares - means.square()).clamp_min(0).sqrt()
    mean_error, std_error = (float((n - 1) ** 0.5 * t.std(correction=0)) for t in (means, stds))
    return mean_error, std_error


def _pairs(matrix: Tensor) -> Tensor:
    """The elements [i, j] with i != j of a square matrix, as [B - 1, B]."""
    rows = len(matrix)
    if rows < 2:
        raise ValueError(f"a divergence of pairs needs at least two posteriors, there is {rows}; give a larger batch")
    # Without its first element, a square matrix laid out in rows of B + 1 has its diagonal in the last column.
    return matrix.flatten()[1:].view(rows - 1, rows + 1)[:, :-1]
