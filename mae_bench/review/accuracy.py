"""What the accuracies of probes can be: shares of whole images, over the runs that the protocol asks for."""

import re
from collections.abc import Iterator, Sequence
from math import sqrt

from mae_bench.foundation.text import quoted
from mae_bench.metrics.settings import Expected, ProbeSettings
from mae_bench.records.schema import Metric
from mae_bench.review.chance import ROUNDING

_UNCONVERGED = re.compile(r"([1-9][0-9]{0,8}) of ([0-9]{1,9}) fits did not converge in ([0-9]{1,9}) iterations")
"""The one remark that `mae_bench.metrics.probes` makes beside a number."""
_SHARE = 1e-9
"""How far the share of a whole number of images may be off: it is one division of integers."""


def accuracy_faults(name: str, metric: Metric, expected: Expected, settings: ProbeSettings) -> Iterator[str]:
    """Faults in a probe that has a value in [0, 1], and a standard error and draws if it must."""
    if metric.reason is not None:
        yield from _remark_faults(name, metric.reason, expected.draws, settings)
    value, n = metric.value or 0.0, expected.n
    for draw in metric.draws:
        if not 0 <= draw <= 1 or abs(draw - round(draw * n) / n) > _SHARE:
            yield f"has a draw of {draw:g}, which is not a share of {n} images"
            return
    mean = sum(metric.draws) / expected.draws
    if abs(mean - value) > _SHARE:
        yield f"is {value:g}, but the mean of its draws is {mean:g}"
    elif metric.stderr is not None:
        yield from _spread_faults(metric.stderr, [round(draw * n) for draw in metric.draws], n)


def _remark_faults(name: str, remark: str, runs: int, settings: ProbeSettings) -> Iterator[str]:
    limit = settings.logistic_max_iterations if name.startswith("linear") else settings.svm_max_iterations
    found = _UNCONVERGED.fullmatch(remark) if name.startswith(("linear", "svm")) else None
    if found is None or int(found[1]) > runs or (int(found[2]), int(found[3])) != (runs, limit):
        yield f"has the remark {quoted(repr(remark))}, which no run makes on it"


def _spread_faults(stderr: float, right: Sequence[int], n: int) -> Iterator[str]:
    """An image's value is the share of the runs that classified it correctly; run r does so with `right`[r] of n.

    The values spread most if a run is right wherever one with fewer right images is: the sum of the squares of right
    runs an image is then that of min(right[r], right[s]) over r and s. They spread least if all are the two multiples
    nearest to the mean. This allows 0 for a mean that is a multiple; but that every image is classified correctly in
    the same number of runs, neither none nor all, does not happen in practice.
    """
    runs, total = len(right), sum(right)
    each, left = divmod(total, n)
    most = sum(min(one, other) for one in right for other in right)
    least = (n - left) * each**2 + left * (each + 1) ** 2
    smallest, largest = (sqrt(max(squares - total**2 / n, 0) / (n - 1) / n) / runs for squares in (least, most))
    if stderr == 0 and 0 < total < runs * n:
        yield f"is {total / runs / n:g} with a standard error of 0, which only 0 and 1 can have"
    elif not smallest - ROUNDING <= stderr <= largest + ROUNDING:
        yield f"has the standard error {stderr:g}, but its draws over {n} images give {smallest:g} to {largest:g}"
