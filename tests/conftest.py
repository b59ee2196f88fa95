"""Tasks on real images that lie in the repository, so that no test needs the network; and synthetic records."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mae_bench import ENGINE_VERSION
from mae_bench.content import content_folder
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.plan import PRECISION, Job, ModelReference
from mae_bench.records.schema import Record, seal
from mae_bench.task import Task, load_task

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def digits_task() -> Task:
    """The shipped task on scikit-learn's digits."""
    return load_task(content_folder("tasks") / "digits.toml")


@pytest.fixture
def mnist_500_task(monkeypatch: pytest.MonkeyPatch) -> Task:
    """A task on 500 real MNIST images, found in the data folder for the length of the test, in child processes too."""
    monkeypatch.setenv("MAE_BENCH_DATA", str(FIXTURES / "mnist_500"))
    return load_task(FIXTURES / "mnist_500" / "mnist_500.toml")


@pytest.fixture
def make_record(digits_task: Task) -> Callable[..., Record]:
    """`make_record(model, seed, metrics, **replaced)`: a sealed record with the key its contents give.

    metrics: {name: value}, {name: (value, stderr)} or {name: (None, None, reason)}. Any top-level field, and `hashes`,
    `training` and `task` in part, can be replaced.
    """

    def make(
        model: str = "mae",
        seed: int = 0,
        metrics: dict[str, object] | None = None,
        *,
        params: dict[str, object] | None = None,
        of: Task = digits_task,
        preset: str = "small",
        source: str = "a" * 64,
        **replaced: object,
    ) -> Record:
        params = params or {}
        reference = ModelReference(model, "", tuple(sorted(params.items())), source)
        content = {
            "key": Job(reference, of, preset, seed).key,
            "model": {"name": model, "params": params},
            "task": {"name": of.name, "version": of.version},
            "preset": preset,
            "seed": seed,
            "precision": PRECISION,
            "engine_version": ENGINE_VERSION,
            "protocol": of.resolved(preset),
            "metrics": {name: measured(name, value) for name, value in (metrics or {"nll": 20.0}).items()},
            "not_supported": {},
            "nll_by_samples": {1: 21.0, 4: 20.5},
            "training": {"status": "complete", "reason": "patience", "epochs": 2, "steps": 20, "best_epoch": 1}
            | {"parameters": 1000},
            "clocks": {"training_seconds": 1.5, "evaluation_seconds": 0.5},
            "peak_memory_mib": {"host": 300.0},
            "hashes": {"protocol": of.protocol_hash(preset), "data": of.data.sha256, "adapter_source": source}
            | {"validation_bits": "b" * 64, "test_bits": "c" * 64},
            "environment": {"python": "3.12.0", "torch": "2.11.0", "mae_bench": "0.1.0", "platform": "linux"}
            | {"processor": "x86", "device": "cpu", "threads": 2, "git_commit": None, "git_dirty": None},
            "created": "2025-01-01T00:00:00Z",
        }
        for name, value in replaced.items():
            content[name] = {**content[name], **value} if name in ("hashes", "training", "task") else value
        return seal(content)

    def measured(name: str, value: object) -> dict[str, object]:
        number, stderr, reason = (*value, None, None)[:3] if isinstance(value, tuple) else (value, None, None)
        kind = metric_kind(name)
        return {"value": number, "stderr": stderr, "reason": reason, "n": 500} | {
            "unit": kind.unit,
            "direction": kind.direction,
        }

    return make


@pytest.fixture
def record_of(make_record: Callable[..., Record]) -> Callable[..., Record]:
    """`record_of(job, status="complete", **replaced)`: the record that `job` would leave."""

    def make(job: Job, status: str = "complete", **replaced: object) -> Record:
        model = job.model
        return make_record(
            model.name,
            job.seed,
            params=dict(model.params),
            of=job.task,
            preset=job.preset,
            source=model.source_hash,
            training={"status": status},
            **replaced,
        )

    return make
