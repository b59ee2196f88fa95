"""What the importance-weighted estimates can be: each is a mean over the same images and the same K draws an image."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import inf, log, log1p, prod, sqrt

from mae_bench.foundation.text import quoted
from mae_bench.metrics.settings import sample_levels
from mae_bench.planning.task import Protocol, Task
from mae_bench.records.schema import Metric, Record
from mae_bench.review.chance import CHANCE, LARGEST_FLOAT32, ROUNDING, differs, exceeds

LARGEST = 3 * LARGEST_FLOAT32
"""Nats: a log-weight is the sum of three log-densities, which models compute in float32."""
_DIGITS = 1e-12
"""Relative: how far the sums of float64 are off, for differences of large numbers."""
_NATS = ("nll", "negative_elbo", "reconstruction_error", "kl")


def density_faults(record: Record, task: Task, protocol: Protocol) -> Iterator[str]:
    """Faults in the density metrics and in `nll_by_samples` beyond those in each alone."""
    metrics, curve = record.metrics, record.nll_by_samples
    values = {name: metric.value for name, metric in metrics.items() if metric.value is not None}
    errors = {name: metrics[name].stderr or 0.0 for name in values if metrics[name].stderr is not None}
    if "nll" not in values:
        if curve:
            yield "nll_by_samples has values, but nll has none"
        if record.nll_fall_stderr is not None:
            yield "nll_fall_stderr has a value, but nll has none"
        return
    levels = sample_levels(protocol.density.importance_samples)
    if set(curve) != set(levels):
        yield (
            f"nll_by_samples is for {quoted(', '.join(map(str, sorted(curve))) or 'no')} importance samples, but the "
            f"protocol gives {', '.join(map(str, levels))}"
        )
        return
    for few, many in pairwise(levels):
        if exceeds(curve[many], curve[few]):
            yield (
                f"nll_by_samples rises from {curve[few]:g} at {few} samples to {curve[many]:g} at {many}, but more of "
                "the same draws never raise it"
            )
    yield from _fall_faults(record.nll_fall_stderr, [curve[k] for k in levels], max(1, metrics["nll"].n))
    for name in _NATS:
        if abs(values.get(name, 0.0)) > LARGEST:
            yield f"{name} is {values[name]:g}, beyond what log-densities in float32 add up to, {LARGEST:.1g}"
    dimensions = prod(task.data.shape)
    yield from _equality_faults(values, curve, levels[-1], dimensions)
    if "effective_sample_size" in values:
        yield from _size_faults(values["effective_sample_size"], metrics["effective_sample_size"], levels[-1])
    if {*_NATS, "effective_sample_size"} <= set(values):
        yield from _weight_faults(values, levels[-1], max(1, metrics["nll"].n))
    if {*_NATS, "bits_per_dim"} <= set(errors):
        yield from _error_faults(values, errors, max(1, metrics["nll"].n), dimensions)


def _equality_faults(
    values: Mapping[str, float], curve: Mapping[int, float], samples: int, dimensions: int
) -> Iterator[str]:
    parts = [values.get(name) for name in ("reconstruction_error", "kl")]
    equal = [
        ("nll", f"nll_by_samples at {samples}", curve[samples]),
        ("negative_elbo", "nll_by_samples at 1", curve[1]),
        ("bits_per_dim", f"nll / ({dimensions} log 2)", values["nll"] / (dimensions * log(2))),
        ("negative_elbo", "reconstruction_error + kl", None if None in parts else sum(part or 0.0 for part in parts)),
    ]
    for name, other, wanted in equal:
        if name in values and wanted is not None and differs(values[name], wanted):
            yield f"{name} is {values[name]:g} and {other} is {wanted:g}, but they must be equal"
    if "negative_elbo" in values and exceeds(values["nll"], values["negative_elbo"]):
        yield f"negative_elbo is {values['negative_elbo']:g}, below nll, {values['nll']:g}"


def _fall_faults(stderr: float | None, curve: Sequence[float], n: int) -> Iterator[str]:
    """More samples lower the estimate of every image or leave it, so its falls have at most their mean as an error."""
    if stderr is None:
        return
    largest = curve[-2] - curve[-1] if n > 1 and len(curve) > 1 else 0.0
    if stderr < 0 or exceeds(stderr, largest) or len(curve) == 1 or n == 1:
        yield f"nll_fall_stderr is {stderr:g}, but {n} images whose mean fall is {largest:g} allow 0 to that at most"


def _error_faults(values: Mapping[str, float], errors: Mapping[str, float], n: int, dimensions: int) -> Iterator[str]:
    """Standard errors are lengths of vectors with an element an image, so those of sums obey the triangle inequality.

    Values of n images with mean m, none below -b, have at most the standard error m + b: then all but one are at -b.
    b is 0 for the reconstruction error, since a probability of pixels is at most 1. For the others exp(-value) is an
    estimate of at most 1 without bias, or less, so that one image in n is below -(log n + CHANCE) once in a million
    records. For each image the negative ELBO is the sum of reconstruction error and KL, and exceeds the NLL by no less
    than 0, on average by their distance, which therefore bounds the standard error of the excess too.
    """
    bits, wanted = errors["bits_per_dim"], errors["nll"] / (dimensions * log(2))
    if abs(bits - wanted) > ROUNDING * wanted + _DIGITS * max(1.0, abs(values["bits_per_dim"])):
        yield f"bits_per_dim has the standard error {bits:g}, but that of nll / ({dimensions} log 2) is {wanted:g}"
    for name in _NATS:
        largest = values[name] + (0.0 if name == "reconstruction_error" else log(n) + CHANCE)
        if exceeds(errors[name], largest):
            yield (
                f"{name} has the standard error {errors[name]:g}, but {n} images of mean {values[name]:g} allow at "
                f"most {largest:g}"
            )
    elbo, nll, error, kl = (errors[name] for name in ("negative_elbo", "nll", "reconstruction_error", "kl"))
    gap, slack = values["negative_elbo"] - values["nll"], _DIGITS * abs(values["negative_elbo"])
    for parts, low, high in (
        ("those of reconstruction_error and kl allow", abs(error - kl), error + kl),
        ("that of nll and the distance from it allow", nll - gap, nll + gap),
    ):
        if exceeds(elbo, high + slack) or exceeds(low - slack, elbo):
            yield f"negative_elbo has the standard error {elbo:g}, but {parts} {max(low, 0.0):g} to {high:g}"


def _size_faults(size: float, metric: Metric, samples: int) -> Iterator[str]:
    """Values in [1, K] with mean m spread most if all are 1 or K: variance (m - 1)(K - m).

    That all images have the same effective sample size, neither 1 nor K, to six digits does not happen in practice.
    """
    if metric.stderr is None or metric.n < 2:
        return
    largest = sqrt(max(size - 1, 0.0) * max(samples - size, 0.0) / (metric.n - 1))
    if exceeds(metric.stderr, largest):
        yield (
            f"effective_sample_size has the standard error {metric.stderr:g}, but {metric.n} images of mean {size:g} "
            f"allow at most {largest:g}"
        )
    inside = min(size - 1, samples - size)
    if inside > ROUNDING * samples and metric.stderr * sqrt(metric.n) < ROUNDING * inside:
        yield (
            f"effective_sample_size is {size:g} with the standard error {metric.stderr:g}, but only 1 and {samples} "
            "are the same for all images"
        )


def _weight_faults(values: Mapping[str, float], samples: int, n: int) -> Iterator[str]:
    """The negative ELBO exceeds the NLL by -mean log u, where u are an image's weights divided by their mean.

    The effective sample size is K / mean u^2. It is K only if all weights are equal, and then there is no excess; less
    of it gives at least `_least_excess`. An image within 1 of K has no weight near zero, and at most `_most_excess`.
    """
    if samples == 1:
        return
    elbo, size = values["negative_elbo"], values["effective_sample_size"]
    excess, slack = elbo - values["nll"], ROUNDING * max(1.0, abs(elbo))
    precision = samples * (1e-9 + 1e-14 * abs(elbo))
    least = _least_excess(size + precision, samples)
    if excess < least - slack:
        yield (
            f"effective_sample_size is {size:g} of {samples}, but then negative_elbo exceeds nll by at least "
            f"{least:g}, not {excess:g}"
        )
    missing = n * max(0.0, samples - size + precision)
    most = _most_excess(missing, samples) / n if missing < 1 else inf
    if excess > most + slack:
        yield (
            f"effective_sample_size is {size:g} of {samples}, but then negative_elbo exceeds nll by at most {most:g}, "
            f"not {excess:g}"
        )


def _least_excess(size: float, samples: int) -> float:
    """The least mean of -log u over images whose mean effective sample size is `size`.

    For one image it is smallest if one weight is large and the others are equal. That is convex in the size but for
    sizes near K, so images may be a mixture with some at K, where it is 0: the smallest such mean.
    """
    if size >= samples:
        return 0.0
    if size <= 1:
        return inf

    def mixture(one: float) -> float:
        ratio = sqrt((samples / one - 1) / (samples - 1))
        excess = -(log1p((samples - 1) * ratio) + (samples - 1) * log1p(-ratio)) / samples
        return excess * (samples - size) / (samples - one)

    low, high = 1.0 + (size - 1) * 1e-9, size
    for _ in range(100):
        third = (high - low) / 3
        if mixture(low + third) < mixture(high - third):
            high -= third
        else:
            low += third
    return min(mixture(high), mixture(size))


def _most_excess(missing: float, samples: int) -> float:
    """The most of -mean log u for an image whose effective sample size is K - `missing`, below 1: one small weight."""
    ratio = sqrt(missing / (samples - missing) / (samples - 1))
    if ratio * (samples - 1) >= 1:
        return inf
    return -(log1p(-(samples - 1) * ratio) + (samples - 1) * log1p(ratio)) / samples
