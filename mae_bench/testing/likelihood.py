"""Rules on the likelihood: finite and consistent log-weights, and probabilities that sum to one."""

from itertools import product
from math import inf, sqrt

import torch
from torch import Tensor

from mae_bench.adapter import Adapter
from mae_bench.foundation.errors import describe
from mae_bench.metrics.answers import ask_importance_terms
from mae_bench.metrics.density import importance_weighted_nll
from mae_bench.testing.subject import Broken, NotApplicable, Subject

NOISE = 6.0
"""A difference of more standard errors than this is not chance: with the 15 degrees of freedom of 16 groups, Student's
t exceeds it once in 40,000."""
_GROUPS = 16
_GROUP_SAMPLES = 16
_SAMPLES = 64
"""The importance samples of one call, which is compared with as many calls of one sample."""
_ROUNDING = 1e-3
"""Nats by which float32 may round a log-density of 8x8 images."""

_TINY_SIDE = 3
"""The height and width of the images that are enumerated, in pixels: 2^9 images."""
_TINY_SAMPLES = 2
"""Importance samples of a group for each of them."""
_SUM_SLACK = 0.01
_LARGEST_ERROR = 0.05
"""With a larger standard error of the sum, relative to it, a missing constant such as log 2 could be noise."""
_LARGEST_TAIL_INDEX = 0.7
"""Above it, the spread of importance weights does not show how wrong their average is (Vehtari et al., 2024)."""
_ELBO_STEPS = 50
_ELBO_BATCH = 64
_ELBO_RATE = 1e-2


def group_nlls(model: Adapter, x: Tensor) -> Tensor:
    """The NLL of each image from each of 16 independent groups of 16 samples: [16, B], nats."""
    groups = [importance_weighted_nll(ask_importance_terms(model, x, _GROUP_SAMPLES)) for _ in range(_GROUPS)]
    return torch.stack(groups)


def mean_and_error(groups: Tensor) -> tuple[Tensor, Tensor]:
    """The mean over the first dimension and its standard error, for `groups` [groups, ...]."""
    return groups.mean(0), groups.std(0) / sqrt(len(groups))


def log_weights(subject: Subject) -> str:
    """Log-densities are finite for images of zeros, of ones and at random, and do not depend on the number of samples.

    64 calls with one sample give the negative ELBO of one call with 64, within six standard errors; by Jensen's
    inequality, the NLL of the latter lies below it. Every sample is drawn anew: only an exact likelihood may answer
    with equal columns, and then they are the same under every seed.
    """
    model, random = subject.build(), subject.images(4)
    x = torch.cat([torch.zeros_like(random[:1]), torch.ones_like(random[:1]), random])
    names = ["an image of zeros", "an image of ones", *["a random image"] * len(random)]
    terms = ask_importance_terms(model, x, _SAMPLES)
    for density in ("log_likelihood", "log_prior", "log_posterior"):
        faulty = ~getattr(terms, density).isfinite().all(1)
        if faulty.any():
            which = names[int(faulty.nonzero()[0])]
            raise Broken(f"{density} of {which} is not finite; compute it from logits and in logs, without log(0)")
    other = ask_importance_terms(model, x, _SAMPLES).log_weights
    repeated = terms.log_weights[:, :1].expand_as(other)
    if torch.equal(terms.log_weights, repeated) and not torch.allclose(other, repeated, rtol=1e-5):
        raise Broken(f"importance_terms(x, {_SAMPLES}) repeats one draw {_SAMPLES} times; draw every sample anew")
    single = torch.cat([ask_importance_terms(model, x, 1).log_weights for _ in range(_SAMPLES)], dim=1)
    elbo, its_error = mean_and_error(single.T)
    elbo_of_many, error = mean_and_error(terms.log_weights.T)
    nll = importance_weighted_nll(terms)  # never above -elbo_of_many, whatever the adapter
    faulty = (elbo - elbo_of_many).abs() > NOISE * torch.hypot(error, its_error) + _ROUNDING
    if faulty.any():
        row = int(faulty.nonzero()[0])
        raise Broken(
            f"for {names[row]}, the negative ELBO is {-elbo[row]:.4g} nats from calls with one sample, but a call with "
            f"{_SAMPLES} gives {-elbo_of_many[row]:.4g} and an NLL of {nll[row]:.4g}; return in each column the "
            "log-density of its own sample, neither averaged nor divided by their number"
        )
    return (
        f"finite; NLL {nll.mean():.2f} <= negative ELBO {-elbo.mean():.2f} nats, however many samples a call asks for"
    )


def normalisation(subject: Subject) -> str:
    """p(x) sums to one over all images: each density keeps its constants, and draws come from q(z|x) itself.

    Binary images only: importance sampling estimates p(x) without bias for each of the 512 images of 3x3 pixels, and so
    their sum. It must be 1 within six standard errors (from 16 independent groups) plus 0.01. That holds whatever the
    model's weights are, so it is first trained for some steps on the ELBO, which brings q nearer to the posterior;
    otherwise the importance weights scatter too much. If they still do, the rule says so and does not apply.
    """
    if subject.data.likelihood != "bernoulli":
        raise NotApplicable("only binary images can be enumerated")
    try:
        model = subject.build(_TINY_SIDE)
    except Exception as fault:
        raise NotApplicable(
            f"the model cannot be built for {_TINY_SIDE}x{_TINY_SIDE} images: {describe(fault)}"
        ) from fault
    x = torch.tensor(list(product((0.0, 1.0), repeat=_TINY_SIDE**2))).view(-1, 1, _TINY_SIDE, _TINY_SIDE)
    _raise_elbo(model, x)
    groups = torch.stack([ask_importance_terms(model, x, _TINY_SAMPLES).log_weights for _ in range(_GROUPS)])
    total, error = (float(value) for value in mean_and_error(groups.exp().mean(2).sum(1)))
    tail = tail_index(groups.transpose(0, 1).flatten(1))
    found = f"p(x) summed over all {len(x)} images of {_TINY_SIDE}x{_TINY_SIDE} is {total:.4g} ± {error:.2g}"
    certain = tail <= _LARGEST_TAIL_INDEX and error <= _LARGEST_ERROR * total
    if total != inf and not certain:  # also if those steps led to not-a-number
        raise NotApplicable(f"{found}: the importance weights scatter too much to tell (tail index {tail:.2f})")
    if not abs(total - 1) <= NOISE * error + _SUM_SLACK:
        raise Broken(f"{found}, not 1; keep the constants of every density (log 2 pi) and draw z from q(z|x) itself")
    return found


def _raise_elbo(model: Adapter, x: Tensor) -> None:
    """Train `model` on the images `x` by some steps of Adam on the ELBO; not at all if the ELBO has no gradient."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    if not weights or not model.importance_terms(x[:1], 1).log_weights.requires_grad:
        return
    optimiser = torch.optim.Adam(weights, lr=_ELBO_RATE)
    for _ in range(_ELBO_STEPS):
        batch = x[torch.randint(len(x), (_ELBO_BATCH,))]
        optimiser.zero_grad()
        negative_elbo = -model.importance_terms(batch, 1).log_weights.mean()
        negative_elbo.backward()
        optimiser.step()


def tail_index(log_weights: Tensor) -> float:
    """How heavy the tail of importance weights is: 0 if it is light, above 1 if not even the mean exists.

    log_weights: [images, samples]. Hill's (1975) estimator from the largest 3 sqrt(n) of the n weights, each divided by
    the median of its image.
    """
    centred = (log_weights - log_weights.median(1, keepdim=True).values).flatten()
    largest = centred.topk(int(3 * sqrt(len(centred))) + 1).values
    return float((largest[:-1] - largest[-1]).mean())
