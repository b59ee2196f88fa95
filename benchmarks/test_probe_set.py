"""How long all probes take on MNIST once its images are encoded, at presets paper and small.

It stands on the 32 principal components of the real images, which are as many dimensions as the models' own codes, and
is skipped where MNIST is neither prepared nor can be downloaded.
"""

from collections.abc import Callable
from time import perf_counter

import pytest
import torch
from torch import Tensor

from mae_bench import Adapter
from mae_bench.data import DataSet, load_data
from mae_bench.foundation.errors import DataError
from mae_bench.metrics.probes import evaluate_probes
from mae_bench.planning.registry import build_adapter, resolve_models, resolve_tasks

(TASK,) = resolve_tasks("mnist")
MINUTES = {"small": 1, "paper": 5}


class Context:
    """What the `fit` of PCA asks for."""

    device = torch.device("cpu")
    generator = torch.Generator().manual_seed(0)


class Timed(Adapter):
    """PCA, with the seconds that it takes to answer."""

    def __init__(self, data: DataSet) -> None:
        super().__init__(data.spec, "paper")
        (pca,) = resolve_models("pca")
        self.pca = build_adapter(pca, data.spec, "paper")
        self.pca.fit(data.train, data.validation, Context())  # type: ignore[arg-type]
        self.seconds = 0.0

    def encode(self, x: Tensor) -> Tensor:
        start = perf_counter()
        answer = self.pca.encode(x)
        self.seconds += perf_counter() - start
        return answer


@pytest.fixture(scope="module")
def data() -> DataSet:
    try:
        return load_data(TASK)
    except DataError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("preset", MINUTES)
def test_all_probes(hold_limit: Callable[..., None], data: DataSet, preset: str) -> None:
    """K-Means, KNN, logistic regression and SVMs at every number of labels, without the encoding."""
    model = Timed(data)
    start = perf_counter()
    outcome = evaluate_probes(model, data, TASK.protocol(preset).probes, task_seed=TASK.seed, progress=lambda *_: None)
    seconds = perf_counter() - start - model.seconds
    assert not outcome.not_supported
    hold_limit(f"probes_{preset}", seconds / 60, MINUTES[preset], "minutes")
