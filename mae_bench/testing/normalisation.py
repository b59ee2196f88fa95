"""The rule on probabilities: over all images of a set that is small enough, p(x) sums to one."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from math import inf, isnan, sqrt

import torch
from torch import Tensor

from mae_bench.adapter import Adapter, Likelihood, NotSupported
from mae_bench.metrics.answers import ask_importance_terms
from mae_bench.testing.likelihood import NOISE, mean_and_error
from mae_bench.testing.subject import Broken, NotApplicable, Subject

_GROUPS = 16
_SAMPLES = 2
"""Importance samples of a group for each image."""
_SLACK = 0.01
_LARGEST_ERROR = 0.05
"""With a larger standard error of the sum, relative to it, a missing constant such as log 2 could be noise."""
_LARGEST_TAIL_INDEX = 0.7
"""Above it, the spread of importance weights does not show how wrong their average is (Vehtari et al., 2024)."""
_ELBO_STEPS = 50
_ELBO_BATCH = 64
_ELBO_RATE = 1e-2

_TINY_SIDE = 3
_LEVELS = 256
_CUTS = (0, 1, 43, 85, 128, 170, 212, 255, 256)
"""The levels of a channel in eight parts, each from one cut to the next. The darkest and the brightest level are parts
of their own: a model may give them whatever lies beyond."""

Draw = Callable[[], tuple[Tensor, Tensor]]
"""Images [N, C, H, W], and how many images of the set each of them stands for, [N], float64."""


@dataclass(frozen=True)
class ImageSet:
    """All images of one shape (C, H, W). draw: every one of them, or one drawn from each part of the set."""

    name: str
    shape: tuple[int, int, int]
    draw: Draw


def _bits() -> tuple[Tensor, Tensor]:
    x = torch.tensor(list(product((0.0, 1.0), repeat=_TINY_SIDE**2))).view(-1, 1, _TINY_SIDE, _TINY_SIDE)
    return x, torch.ones(len(x), dtype=torch.float64)


def _greys() -> tuple[Tensor, Tensor]:
    return torch.arange(_LEVELS).view(-1, 1, 1, 1) / (_LEVELS - 1), torch.ones(_LEVELS, dtype=torch.float64)


def _colours() -> tuple[Tensor, Tensor]:
    """One colour from each of the 8^3 boxes into which the cuts divide all 256^3."""
    parts = torch.tensor(list(product(range(len(_CUTS) - 1), repeat=3)))
    cuts = torch.tensor(_CUTS)
    sizes = cuts[parts + 1] - cuts[parts]
    levels = cuts[parts] + (torch.rand(sizes.shape, dtype=torch.float64) * sizes).long()
    return levels.view(-1, 3, 1, 1) / (_LEVELS - 1), sizes.prod(1).double()


SETS: dict[Likelihood, tuple[ImageSet, ...]] = {
    "bernoulli": (ImageSet("all 512 images of 3x3", (1, _TINY_SIDE, _TINY_SIDE), _bits),),
    "discretized_logistic_mixture": (
        ImageSet("all 256 levels of a pixel", (1, 1, 1), _greys),
        ImageSet("all 256^3 colours of a pixel", (3, 1, 1), _colours),
    ),
}


def normalisation(subject: Subject) -> str:
    """p(x) sums to one over all images: each density keeps its constants, and draws come from q(z|x) itself.

    Importance sampling estimates p(x) without bias, and so its sum over the 512 binary images of 3x3 pixels or, of 256
    levels, over the 256 images of one pixel and the 256^3 of one pixel in colour. Of the latter, every group of samples
    draws one from each of 512 parts. The sum must not exceed 1 by more than six standard errors (from 16 independent
    groups) plus 0.01. If it lies as far below, p(x) is a bound: probability is lost, and the model is scored worse than
    it is. All that holds whatever the weights are, so the model is first trained for some steps on the ELBO, which
    brings q nearer to the posterior; otherwise the importance weights scatter too much. If they still do, or if no such
    images can be built, the rule says so and does not apply.
    """
    found, untold = [], []
    for images in SETS[subject.likelihood]:
        try:
            found.append(_sum_over(images, subject))
        except NotApplicable as reason:
            untold.append(str(reason))
    if not found:
        raise NotApplicable("; ".join(untold))
    return "; ".join(found + untold)


def _sum_over(images: ImageSet, subject: Subject) -> str:
    try:
        model = subject.build(images.shape)
        ask_importance_terms(model, images.draw()[0][:2], _SAMPLES)
    except Exception as fault:
        reason = str(fault) if isinstance(fault, NotSupported) else subject.describe(fault)
        raise NotApplicable(f"the model cannot be built and asked for {images.name}: {reason}") from fault
    _raise_elbo(model, images.draw)
    total, error, tail = _estimate(model, images.draw)
    if isnan(total):  # perhaps those steps led there
        total, error, tail = _estimate(subject.build(images.shape), images.draw)
    found = f"p(x) summed over {images.name} is {total:.4g}"
    if isnan(total):
        raise Broken(f"{found}, not a number; keep every log-density finite: compute it from logits and in logs")
    found += f" ± {error:.2g}"
    if total != inf and not (tail <= _LARGEST_TAIL_INDEX and error <= _LARGEST_ERROR * total):
        raise NotApplicable(f"{found}: the importance weights scatter too much to tell (tail index {tail:.2f})")
    if not total - 1 <= NOISE * error + _SLACK:
        raise Broken(f"{found}, not 1; keep the constants of every density (log 2 pi) and draw z from q(z|x) itself")
    return found if 1 - total <= NOISE * error + _SLACK else f"a bound, not a density: {found}"


def _estimate(model: Adapter, draw: Draw) -> tuple[float, float, float]:
    """The sum of p(x), its standard error, and the tail index of the importance weights."""
    sums, log_weights = [], []
    for _ in range(_GROUPS):
        x, counts = draw()
        log_weights.append(ask_importance_terms(model, x, _SAMPLES).log_weights)
        sums.append((counts * log_weights[-1].exp().mean(1)).sum())
    total, error = mean_and_error(torch.stack(sums))
    return float(total), float(error), tail_index(torch.cat(log_weights, dim=1))


def _raise_elbo(model: Adapter, draw: Draw) -> None:
    """Train `model` on such images by some steps of Adam on the ELBO; not at all if the ELBO has no gradient."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    if not weights or not model.importance_terms(draw()[0][:1], 1).log_weights.requires_grad:
        return
    optimiser = torch.optim.Adam(weights, lr=_ELBO_RATE)
    for _ in range(_ELBO_STEPS):
        x, counts = draw()
        batch = x[torch.multinomial(counts, _ELBO_BATCH, replacement=True)]
        optimiser.zero_grad()
        negative_elbo = -model.importance_terms(batch, 1).log_weights.mean()
        negative_elbo.backward()
        optimiser.step()


def tail_index(log_weights: Tensor) -> float:
    """How heavy the tail of importance weights is: 0 if it is light, above 1 if not even the mean exists.

    log_weights: [images, samples]. Hill's (1975) estimator from the largest 3 sqrt(n) of the n weights, each divided by
    the median of its image. Images whose median weight is zero do not count.
    """
    medians = log_weights.median(1, keepdim=True).values
    centred = (log_weights - medians)[~medians.isneginf().squeeze(1)].flatten()
    if not len(centred):
        return 0.0
    largest = centred.topk(int(3 * sqrt(len(centred))) + 1).values
    return float((largest[:-1] - largest[-1]).mean())
