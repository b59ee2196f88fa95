"""Rules on the likelihood: finite and consistent log-weights, which are those that the loss trains."""

from math import sqrt

import torch
from torch import Tensor

from mae_bench.adapter import Adapter
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
_RELATIVE = 1e-4
"""The same, relative to a log-density of more nats."""

_LOSS_IMAGES = 20


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


def loss_terms(subject: Subject) -> str:
    """The loss and `importance_terms` describe one model, as far as the loss names its terms.

    In eval mode and after `fit`, "reconstruction_error" and "kl" of 64 calls of `loss`, means over the same 20 images
    each, agree within six standard errors with -log p(x|z) and log q(z|x) - log p(z) of 64 draws.
    """
    model, x = subject.fitted, subject.images(_LOSS_IMAGES)
    asked = ask_importance_terms(model, x, _SAMPLES)
    scored = {"reconstruction_error": -asked.log_likelihood, "kl": asked.log_posterior - asked.log_prior}
    calls = [model.loss(x).terms for _ in range(_SAMPLES)]
    named = [name for name in scored if name in calls[0]]
    if not named:
        raise NotApplicable(f"loss(x) names neither of the terms {' and '.join(scored)}")
    for name in named:
        learnt, its_error = mean_and_error(torch.stack([terms[name].detach().double() for terms in calls]))
        value, error = mean_and_error(scored[name].mean(0))
        if not (learnt - value).abs() <= NOISE * torch.hypot(its_error, error) + _ROUNDING + _RELATIVE * value.abs():
            raise Broken(
                f"{name} is {learnt:.4g} ± {its_error:.2g} nats an image by loss(x) and {value:.4g} ± {error:.2g} by "
                "importance_terms, for the same images; let both describe one model, and name the terms of the loss "
                "without weights, as means over the batch in nats"
            )
    return f"{' and '.join(named)} agree{'s' * (len(named) == 1)} with importance_terms"
