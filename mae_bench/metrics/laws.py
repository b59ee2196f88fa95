"""Laws that every likelihood obeys, held against a trained model on a few images: what breaks one is no likelihood.

Cheap enough for every run. `mae_bench.testing` checks more of them, on small images and untrained models.
"""

from collections.abc import Callable
from math import log

import torch
from torch import Tensor

from mae_bench.adapter import Adapter, ImportanceTerms, NotSupported
from mae_bench.foundation.seeding import derive_seed
from mae_bench.metrics.answers import ask_importance_terms, ask_posterior, ask_representation, seeded
from mae_bench.metrics.outcome import Outcome

IMAGES = 8
SAMPLES = 64
NOISE = 6.0
"""Standard errors that chance may account for."""
ROUNDING = 1e-3
"""Relative, beyond a magnitude of 1, for float32 sums over the pixels of an image."""
CHANCE = log(1e6)
"""Nats: by Markov's inequality a uniformly random image has more than e^CHANCE / (number of images) of probability once
in a million draws."""


def broken_laws(adapter: Adapter, x: Tensor, values: int, outcome: Outcome, seed: int) -> tuple[str, ...]:
    """A clause for each law that the model breaks on the test images x, [B, C, H, W].

    values: how many a dimension of an image can take, 2 for bits. outcome: the density metrics over all test images,
    empty for a model without a likelihood. No random state is moved.
    """
    adapter.eval()
    found = [_negative_kl(outcome), _mixing(adapter, x, seed)]
    if outcome.measurements:
        found += [_number_of_samples(adapter, x, seed), _random_images(adapter, x, values, seed)]
    return tuple(clause for clause in found if clause)


def _negative_kl(outcome: Outcome) -> str | None:
    """KL(q(z|x) || p(z)) is never negative: a constant is missing from a density, or log p(z) is of other draws."""
    kl = next((one for one in outcome.measurements if one.name == "kl"), None)
    if kl is None or kl.value is None or kl.value >= -NOISE * (kl.stderr or 0.0) - ROUNDING:
        return None
    return f"the KL divergence is {kl.value:.4g} nats, below zero: a density lacks a constant such as log 2 pi"


def _mixing(adapter: Adapter, x: Tensor, seed: int) -> str | None:
    """encode and posterior of an image do not depend on the images beside it."""

    def representation(images: Tensor) -> Tensor:
        return torch.from_numpy(ask_representation(adapter, images))

    def mean(images: Tensor) -> Tensor:
        return ask_posterior(adapter, images).mean

    for call, ask in (("encode", representation), ("posterior", mean)):
        try:
            together, again = (_asked(ask, x, seed, call, draw) for draw in (0, 1))
            alone = torch.cat([_asked(ask, image, seed, call, 0) for image in x.split(1)])
        except NotSupported:
            continue
        if not _close(together, again):
            continue  # it involves chance, which the shape of a batch moves
        if not _close(together, alone):
            return f"{call} of an image changes with the images beside it"
    return None


def _asked(ask: Callable[[Tensor], Tensor], x: Tensor, seed: int, call: str, draw: int) -> Tensor:
    with seeded(derive_seed(seed, "laws", call, draw), x.device):
        return ask(x).double()


def _close(first: Tensor, second: Tensor) -> bool:
    return torch.allclose(first, second, rtol=ROUNDING, atol=ROUNDING, equal_nan=True)


def _number_of_samples(adapter: Adapter, x: Tensor, seed: int) -> str | None:
    """Each column of the log-weights is one draw's: calls for one sample find what a call for many finds."""
    with seeded(derive_seed(seed, "laws", "many"), x.device):
        many = ask_importance_terms(adapter, x, SAMPLES).log_weights
    with seeded(derive_seed(seed, "laws", "single"), x.device):
        single = torch.cat([ask_importance_terms(adapter, x, 1).log_weights for _ in range(SAMPLES)], dim=1)
    if not (many.isfinite().all() and single.isfinite().all()):
        return "a log-weight is not finite"
    difference = (many.mean(1) - single.mean(1)).abs()
    error = (many.var(1) / SAMPLES + single.var(1) / SAMPLES).sqrt()
    excess = difference - NOISE * error - ROUNDING * many.mean(1).abs().clamp_min(1.0)
    if (excess <= 0).all():
        return None
    row = int(excess.argmax())
    return (
        f"the negative ELBO of an image is {-single[row].mean():.4g} nats by calls for one sample and "
        f"{-many[row].mean():.4g} by a call for {SAMPLES}"
    )


def _random_images(adapter: Adapter, x: Tensor, values: int, seed: int) -> str | None:
    """Probabilities sum to one, so that of the values^D images none drawn uniformly has much more than its share.

    P(p(x) >= c / values^D) <= 1/c by Markov's inequality. A mean over pixels in place of their sum is far beyond that.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "laws", "random images"))
    images = torch.randint(values, x.shape, generator=generator).float().div(values - 1).to(x.device)
    with seeded(derive_seed(seed, "laws", "random"), x.device):
        terms: ImportanceTerms = ask_importance_terms(adapter, images, SAMPLES)
    nll = log(SAMPLES) - terms.log_weights.logsumexp(1)
    share = x[0].numel() * log(values)
    if not (nll < share - CHANCE).any():
        return None
    return (
        f"an image of random values has a negative log-likelihood of {nll.min():.4g} nats, and if probabilities sum to "
        f"one, hardly any has less than {share:.4g}: a density is averaged over pixels, or lacks a constant"
    )
