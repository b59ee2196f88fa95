"""A task's images, and the scores of a model in memory: what the harness sees and does, without a store."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from threadpoolctl import threadpool_limits

from mae_bench.adapter import Adapter, DataSpec
from mae_bench.data import DataSet
from mae_bench.data import load_data as load_data_of
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.names import in_quotes
from mae_bench.planning.registry import resolve_tasks
from mae_bench.planning.task import Task

if TYPE_CHECKING:
    import pandas as pd


def load_data(task: str | Path, *, preset: str | None = None, device: str = "cpu") -> DataSet:
    """The images of a task as the harness sees them: its splits, and the bits that it drew for validation and test.

    `train`, `validation` and `test` hold pixels, uint8 [N, C, H, W], and of a binary task bits, bool of that shape,
    but for training, whose bits `batch` draws anew. preset: one that uses a subset of the images; all, unless given.
    DataError if they are not there and cannot be downloaded, or are not those that the task declares.
    """
    return load_data_of(_task(task), device, preset=preset)


def evaluate(model: Adapter, task: str | Path, *, preset: str = "small", seed: int = 0) -> "pd.DataFrame":
    """The scores of `model`, as it is, by the protocol of a task at a preset; on the device of its weights.

    Gives a frame indexed by metric, with value, stderr, n, unit, direction, and the reason where there is no value. The
    numbers are those of a record with this seed; no record is written. A model that does not declare its likelihoods
    is taken to answer for bits. UsageError if the model is not made for images like these.
    """
    from mae_bench.job.execute import score
    from mae_bench.job.isolation import isolated
    from mae_bench.records.schema import Metric, with_derived
    from mae_bench.report.frames import metrics_frame

    chosen = _task(task)
    weights = next(model.parameters(), None)
    device = torch.device("cpu") if weights is None else weights.device
    with isolated(device=device):
        data = load_data_of(chosen, device, preset=preset)
        _check_images(model, data, chosen)
        modes = [(module, module.training) for module in model.modules()]
        try:
            with isolated(type(model), device), threadpool_limits(torch.get_num_threads()):
                scores = score(
                    model.eval(), data, chosen, preset, seed=seed, construct=lambda _: model, progress=_unseen
                )
        finally:
            for module, training in modes:
                module.training = training
    for clause in scores["broken_laws"]:
        warnings.warn(f"{type(model).__name__} breaks a law on {chosen.name}: {clause}", stacklevel=2)
    metrics = {name: Metric.model_validate(metric) for name, metric in scores["metrics"].items()}
    return metrics_frame(
        with_derived(metrics, scores["nll_by_samples"], scores["nll_fall_stderr"]), scores["not_supported"]
    )


def _unseen(*_: Any) -> None:
    """A progress that nobody watches."""


def _task(task: str | Path) -> Task:
    return resolve_tasks(in_quotes(str(task)))[0]


def _check_images(model: Adapter, data: DataSet, task: Task) -> None:
    def images(spec: DataSpec) -> tuple[tuple[int, ...], str]:
        return tuple(spec.shape), spec.likelihood

    if images(model.data) != images(data.spec):
        (shape, likelihood), (own_shape, own_likelihood) = images(data.spec), images(model.data)
        raise UsageError(
            f"{type(model).__name__} is made for images of shape {own_shape} with likelihood {own_likelihood}, and "
            f"{task.name} has shape {shape} with likelihood {likelihood}; construct it with the spec of "
            f'mae_bench.load_data("{task.name}").'
        )
