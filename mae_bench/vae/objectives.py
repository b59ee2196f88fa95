"""Objectives: a loss from the two terms of the ELBO and the posteriors of a mini-batch (paper section 3.2)."""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.adapter import DiagonalGaussian, Loss
from mae_bench.metrics.posterior import pairwise_kl, posterior_divergence_std


def diversity_loss(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Eq. (8): sum over units of softplus(-KL), averaged over the ordered pairs i != j; a scalar, nats.

    mean, log_variance: [B, D]. ValueError for fewer than two rows.
    """
    return _mean_over_pairs(F.softplus(-pairwise_kl(mean, log_variance))).sum()


def mean_diversity_loss(mean: Tensor, log_variance: Tensor, eta: float = 1.0) -> Tensor:
    """What the authors' code has for eq. (8): the sum over units of softplus(-KL / eta), each KL averaged over pairs.

    At eta = 1 never above `diversity_loss` (Jensen's inequality), and far below it if the KLs of a unit vary much.
    """
    return F.softplus(-_mean_over_pairs(pairwise_kl(mean, log_variance)) / eta).sum()


def smoothness_loss(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Eq. (6) in a mini-batch: the standard deviation of KL(q(z|x_i) || q(z|x_j)) over i != j. [B, D] -> a scalar."""
    return posterior_divergence_std(mean, log_variance)


def _mean_over_pairs(values: Tensor) -> Tensor:
    """[B, B, D] -> [D]: the mean over i != j."""
    count = values.shape[0]
    if count < 2:
        raise ValueError("the diversity of posteriors needs a batch of at least two images")
    others = 1.0 - torch.eye(count, device=values.device, dtype=values.dtype)
    return torch.einsum("ijd,ij->d", values, others) / (count * (count - 1))


class ELBO(nn.Module):
    """The negative ELBO, with free bits: the batch mean of the KL costs no less than free_bits x dimensions.

    free_bits: nats a data dimension (Kingma et al., 2016; paper B.1.1).
    """

    def __init__(self, dimensions: int, free_bits: float = 0.0) -> None:
        super().__init__()
        if free_bits < 0:
            raise ValueError(f"free_bits must not be negative, and is {free_bits}")
        # Without free bits nothing is clamped: a KL estimated by samples may fall below zero.
        self.least_kl = free_bits * dimensions if free_bits else -math.inf

    def forward(self, reconstruction_error: Tensor, kl: Tensor, posterior: DiagonalGaussian) -> Loss:
        """reconstruction_error, kl: [B, samples], nats -> Loss."""
        terms = {"reconstruction_error": reconstruction_error.mean(), "kl": kl.mean()}
        return Loss(terms["reconstruction_error"] + terms["kl"].clamp_min(self.least_kl), terms)


class MutualPosteriorDivergence(nn.Module):
    """Eq. (7): the negative ELBO + eta x diversity loss + gamma x smoothness loss, over the mini-batch's posteriors.

    diversity: "paper" for eq. (8), "mean" for the authors' code; the same eta means different things in the two.
    """

    def __init__(self, eta: float, gamma: float, diversity: str = "paper") -> None:
        super().__init__()
        if eta < 0 or gamma < 0:
            raise ValueError(f"eta and gamma must not be negative, and are {eta} and {gamma}")
        forms: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            "paper": diversity_loss,
            "mean": partial(mean_diversity_loss, eta=eta or 1.0),
        }
        if diversity not in forms:
            raise ValueError(f"diversity must be one of {', '.join(forms)}, and is {diversity!r}")
        self.eta, self.gamma, self.diversity = eta, gamma, forms[diversity]

    def forward(self, reconstruction_error: Tensor, kl: Tensor, posterior: DiagonalGaussian) -> Loss:
        """reconstruction_error, kl: [B, samples], nats; posterior: that of the same B images -> Loss."""
        terms = {
            "reconstruction_error": reconstruction_error.mean(),
            "kl": kl.mean(),
            "diversity": self.diversity(posterior.mean, posterior.log_variance),
            "smoothness": smoothness_loss(posterior.mean, posterior.log_variance),
        }
        elbo = terms["reconstruction_error"] + terms["kl"]
        return Loss(elbo + self.eta * terms["diversity"] + self.gamma * terms["smoothness"], terms)


class ImportanceWeighted(nn.Module):
    """The importance-weighted bound: -log 1/K sum_k w_k over the K draws of each image (Burda et al., 2016, eq. (8)).

    With one draw it is the negative ELBO. Gradients flow through the draws and the weights alike. warm_up: over so many
    training steps the weight of the KL rises from 0 to 1 (Sønderby et al., 2016).
    """

    steps: Tensor

    def __init__(self, warm_up: int = 0) -> None:
        super().__init__()
        self.warm_up = warm_up
        if warm_up:
            self.register_buffer("steps", torch.zeros(()))

    def forward(self, reconstruction_error: Tensor, kl: Tensor, posterior: DiagonalGaussian | None = None) -> Loss:
        """reconstruction_error, kl: [B, K], nats -> Loss; its terms are those of the ELBO."""
        log_weights = -(reconstruction_error + self._weight_of_kl() * kl)
        bound = torch.logsumexp(log_weights, 1) - math.log(log_weights.shape[1])
        return Loss(-bound.mean(), {"reconstruction_error": reconstruction_error.mean(), "kl": kl.mean()})

    def _weight_of_kl(self) -> Tensor | float:
        if not (self.warm_up and self.training):
            return 1.0
        weight = (self.steps / self.warm_up).clamp(max=1.0)
        self.steps += 1
        return weight


class WeightedELBO(nn.Module):
    """Reconstruction error + beta x KL (Higgins et al., 2017, eq. (4)); beta = 1 is the negative ELBO."""

    def __init__(self, beta: float) -> None:
        super().__init__()
        if beta < 0:
            raise ValueError(f"beta must not be negative, and is {beta}")
        self.beta = beta

    def forward(self, reconstruction_error: Tensor, kl: Tensor, posterior: DiagonalGaussian) -> Loss:
        """reconstruction_error, kl: [B, samples], nats -> Loss."""
        terms = {"reconstruction_error": reconstruction_error.mean(), "kl": kl.mean()}
        return Loss(terms["reconstruction_error"] + self.beta * terms["kl"], terms)


def maximum_mean_discrepancy(first: Tensor, second: Tensor) -> Tensor:
    """The unbiased estimate of MMD^2 between two samples, [N, D] and [M, D], under a Gaussian kernel; a scalar.

    k(a, b) = exp(-||a - b||^2 / 2 D), of the width of a standard Gaussian in D dimensions (Gretton et al., 2012, eq.
    (3)). It may be negative. ValueError for a sample of fewer than two.
    """
    if min(len(first), len(second)) < 2:
        raise ValueError("the discrepancy needs two samples of at least two points each")

    def mean_kernel(a: Tensor, b: Tensor, *, same: bool) -> Tensor:
        squares = a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T
        kernel = torch.exp(squares.clamp_min(0) / (-2 * a.shape[1]))
        if not same:
            return kernel.mean()
        return (kernel.sum() - len(a)) / (len(a) * (len(a) - 1))  # a point and itself have kernel 1

    within = mean_kernel(first, first, same=True) + mean_kernel(second, second, same=True)
    return within - 2 * mean_kernel(first, second, same=False)


class InfoVAEObjective(nn.Module):
    """Reconstruction error + (1 - alpha) KL + (alpha + lambda - 1) MMD(q(z) || p(z)) (Zhao et al., 2019).

    q(z) is a new draw from the posterior of each image of the batch, p(z) a standard Gaussian. alpha = 0, lambda = 1 is
    the negative ELBO. scale: lambda.
    """

    def __init__(self, alpha: float, scale: float) -> None:
        super().__init__()
        if alpha + scale < 1:
            raise ValueError(f"alpha + lambda must be at least 1, and is {alpha + scale:g}")
        self.alpha, self.weight = alpha, alpha + scale - 1

    def forward(self, reconstruction_error: Tensor, kl: Tensor, posterior: DiagonalGaussian) -> Loss:
        """reconstruction_error, kl: [B, samples], nats; posterior: that of the same B >= 2 images -> Loss."""
        z = posterior.sample(1).squeeze(1)
        terms = {
            "reconstruction_error": reconstruction_error.mean(),
            "kl": kl.mean(),
            "discrepancy": maximum_mean_discrepancy(z, torch.randn_like(z)),
        }
        total = terms["reconstruction_error"] + (1 - self.alpha) * terms["kl"] + self.weight * terms["discrepancy"]
        return Loss(total, terms)
