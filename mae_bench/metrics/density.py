"""The importance-weighted estimator of a model's log-likelihood (Burda et al., 2015) and what its draws tell besides.

log p(x) is estimated by log 1/K sum_k w_k with w_k = p(x|z_k) p(z_k) / q(z_k|x) and z_k drawn from q(z|x). The test
images go by in shards and the K samples of a shard in chunks; a few float64 sums an image are all that is kept of a
chunk, so that memory does not grow with K. Each (seed, shard, chunk) has its own random state: a shard can be
scored alone, anywhere and in any order.
"""

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from math import log

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mae_bench.adapter import Adapter, Images, ImportanceTerms, NotSupported, Progress
from mae_bench.foundation.errors import MaeBenchError
from mae_bench.foundation.seeding import derive_seed, numpy_generator
from mae_bench.metrics.answers import ask_importance_terms, seeded
from mae_bench.metrics.catalogue import NLL_FALL, metrics_of
from mae_bench.metrics.outcome import DensityOutcome, Measurement, computed, without_value
from mae_bench.metrics.settings import DensitySettings, sample_levels

PerImage = NDArray[np.float64]


@dataclass(frozen=True)
class ShardScores:
    """The scores of B images: each array [B], float64; nats but for the effective sample size, in samples.

    nll_by_samples: k -> the estimate of -log p(x) from k samples, averaged over the K / k groups of consecutive draws.
    At k = 1 it is the negative ELBO, at k = K the NLL; by Jensen's inequality it never rises with k. A log-weight that
    is not finite leaves nll_by_samples[1] not finite.
    """

    nll_by_samples: dict[int, PerImage]
    reconstruction_error: PerImage
    kl: PerImage
    effective_sample_size: PerImage


def importance_weighted_nll(terms: ImportanceTerms) -> Tensor:
    """-log mean_k w_k, [B], nats, accumulated in float64 whatever the dtype of the log-densities."""
    log_weights = terms.log_likelihood.double() + terms.log_prior.double() - terms.log_posterior.double()
    return log(log_weights.shape[1]) - torch.logsumexp(log_weights, dim=1)


def evaluate_density(
    adapter: Adapter,
    test: Images,
    settings: DensitySettings,
    *,
    task_seed: int,
    seed: int,
    progress: Progress,
    finished: MutableMapping[int, ShardScores] | None = None,
) -> DensityOutcome:
    """Score the test images that `settings` names with `settings.importance_samples` samples each.

    task_seed chooses the images, seed is the job's and decides the draws. finished: the shards that are scored already,
    by number; those that are scored now are added as soon as they are done. Every metric is the mean over images of a
    per-image value. A model without importance_terms has no density metric and a reason for each; one with a
    log-weight that is not finite has metrics without a value. MaeBenchError if the adapter answers in a wrong shape.
    """
    shards = torch.split(_chosen_images(len(test), settings, task_seed), settings.images_per_shard)
    chunks = settings.importance_samples // settings.samples_per_chunk
    finished = {} if finished is None else finished
    scores = []

    def chunk_counter(shard: int) -> Callable[[], None]:
        steps = count(shard * chunks + 1)
        return lambda: progress("evaluating", next(steps), len(shards) * chunks, "density")

    try:
        for shard, indices in enumerate(shards):
            scored = finished.get(shard)
            if scored is None:
                x, chunk_done = test.batch(indices), chunk_counter(shard)
                scored = score_shard(adapter, x, settings, seed=seed, shard=shard, chunk_done=chunk_done)
                finished[shard] = scored
            scores.append(scored)
    except NotSupported as error:
        return no_density(str(error))
    return combine_shards(scores, adapter.data.dimensions)


def no_density(reason: str) -> DensityOutcome:
    """What stands in a record for a model without density metrics: `reason`, one sentence, for each of them."""
    return DensityOutcome([], dict.fromkeys(metrics_of("density"), reason), {})


def score_shard(
    adapter: Adapter,
    x: Tensor,
    settings: DensitySettings,
    *,
    seed: int,
    shard: int,
    chunk_done: Callable[[], None] = lambda: None,
) -> ShardScores:
    """The scores of the images x, [B, C, H, W], which are shard number `shard` of the job with `seed`.

    chunk_done is called after every chunk of samples. Raises what the adapter raises (NotSupported), and MaeBenchError
    if it answers in a wrong shape.
    """
    adapter.eval()
    sums = _RunningSums(len(x), settings.importance_samples)
    for chunk_seed in chunk_seeds(seed, shard, settings.importance_samples // settings.samples_per_chunk):
        with seeded(chunk_seed, x.device):
            sums.add(ask_importance_terms(adapter, x, settings.samples_per_chunk))
        chunk_done()
    return sums.scores()


def chunk_seeds(seed: int, shard: int, chunks: int) -> list[int]:
    """The seeds of the chunks of a shard: `derive_seed(seed, "density", shard, chunk)`, but no stream is drawn twice.

    torch's generator on a CPU takes 32 bits of a seed, in which two of 10,000 would agree in 1.2 % of all jobs; a seed
    that agrees there with an earlier one of the job is derived again, with the number of the attempt.
    """
    streams = _streams(seed, chunks)
    while len(streams.seeds) <= shard:
        streams.add_shard()
    return streams.seeds[shard]


class _Streams:
    """The seeds of a job's chunks, derived shard by shard in order, whichever shard is asked for first."""

    def __init__(self, seed: int, chunks: int) -> None:
        self.seed, self.chunks = seed, chunks
        self.seeds: list[list[int]] = []
        self._taken: set[int] = set()

    def add_shard(self) -> None:
        self.seeds.append([self._fresh(len(self.seeds), chunk) for chunk in range(self.chunks)])

    def _fresh(self, shard: int, chunk: int) -> int:
        for attempt in count():
            again = (attempt,) if attempt else ()
            derived = derive_seed(self.seed, "density", shard, chunk, *again)
            if derived % 2**32 not in self._taken:
                break
        self._taken.add(derived % 2**32)
        return derived


@lru_cache(maxsize=8)
def _streams(seed: int, chunks: int) -> _Streams:
    return _Streams(seed, chunks)


def combine_shards(shards: Sequence[ShardScores], dimensions: int) -> DensityOutcome:
    """The metrics over the images of all shards, which all have the same K; dimensions: the divisor of bits/dim."""
    nll = {k: np.concatenate([shard.nll_by_samples[k] for shard in shards]) for k in shards[0].nll_by_samples}
    n = len(nll[1])
    if faulty := n - int(np.isfinite(nll[1]).sum()):
        reason = f"{faulty} of {n} images have a log-weight that is not finite"
        return DensityOutcome(without_value(metrics_of("density"), n, reason), {}, {})
    per_image = {
        "nll": nll[max(nll)],
        "bits_per_dim": nll[max(nll)] / (dimensions * log(2)),
        "negative_elbo": nll[1],
        "reconstruction_error": np.concatenate([shard.reconstruction_error for shard in shards]),
        "kl": np.concatenate([shard.kl for shard in shards]),
        "effective_sample_size": np.concatenate([shard.effective_sample_size for shard in shards]),
    }
    names = metrics_of("density")
    measurements = computed(names, n, lambda: [Measurement.over_images(name, per_image[name]) for name in names])
    if measurements[0].value is None:
        return DensityOutcome(measurements, {}, {})
    levels = sorted(nll)
    fall = Measurement.over_images(NLL_FALL, nll[levels[-2]] - nll[levels[-1]]) if len(levels) > 1 else None
    means = {k: float(values.mean()) for k, values in nll.items()}
    return DensityOutcome(measurements, {}, means, fall.stderr if fall else None)


def _chosen_images(available: int, settings: DensitySettings, task_seed: int) -> Tensor:
    """The indices of the test images to score, in ascending order: the same for every model and seed."""
    if settings.test_images == "all":
        return torch.arange(available)
    if settings.test_images > available:
        raise MaeBenchError(
            f"[density] test_images is {settings.test_images}, but there are {available} test images; lower it."
        )
    chosen = numpy_generator(task_seed, "density images").choice(available, settings.test_images, replace=False)
    return torch.from_numpy(np.sort(chosen))


class _RunningSums:
    """What is kept of the draws so far: float64 sums, each [B]."""

    def __init__(self, images: int, samples: int) -> None:
        self._drawn = 0
        self._samples = samples
        self._levels = sample_levels(samples)
        self._empty = torch.full((images,), -torch.inf, dtype=torch.float64)  # the log of a sum without terms
        zeros = torch.zeros(images, dtype=torch.float64)
        self._nll = dict.fromkeys(self._levels, zeros)  # summed over the groups of k draws that are full
        self._open_group = dict.fromkeys(self._levels, self._empty)  # log sum w_k of the group that is not yet full
        self._squares = self._empty  # log sum w_k^2
        self._log_likelihood = zeros
        self._kl = zeros

    def add(self, terms: ImportanceTerms) -> None:
        """The next chunk: [B, a power of two], float64."""
        log_weights = terms.log_weights
        chunk, log_sum = log_weights.shape[1], log_weights.logsumexp(1)
        self._drawn += chunk
        for k in self._levels:
            if k <= chunk:
                groups = log_weights.reshape(len(log_weights), -1, k).logsumexp(2)
                self._nll[k] = self._nll[k] + (log(k) - groups).sum(1)
                continue
            self._open_group[k] = torch.logaddexp(self._open_group[k], log_sum)
            if self._drawn % k == 0:
                self._nll[k] = self._nll[k] + log(k) - self._open_group[k]
                self._open_group[k] = self._empty
        self._squares = torch.logaddexp(self._squares, (2 * log_weights).logsumexp(1))
        self._log_likelihood = self._log_likelihood + terms.log_likelihood.sum(1)
        self._kl = self._kl + (terms.log_posterior - terms.log_prior).sum(1)

    def scores(self) -> ShardScores:
        """The means, once all draws are in; the effective sample size is (sum w)^2 / sum w^2."""
        log_sum = log(self._samples) - self._nll[self._samples]
        return ShardScores(
            nll_by_samples={k: (total * k / self._samples).numpy() for k, total in self._nll.items()},
            reconstruction_error=(-self._log_likelihood / self._samples).numpy(),
            kl=(self._kl / self._samples).numpy(),
            effective_sample_size=torch.exp(2 * log_sum - self._squares).numpy(),
        )
