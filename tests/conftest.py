"""Tasks on real images that lie in the repository, so that no test needs the network; and synthetic records."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mae_bench import ENGINE_VERSION
from mae_bench.foundation.content import content_folder
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.planning.plan import PRECISION, Job, ModelReference
from mae_bench.planning.task import Protocol, Task, load_task
from mae_bench.records.schema import Record, seal
from mae_bench.records.store import Store

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums in one order, whatever the machine has: for numbers that are held against others to the last bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
def cifar10_task(monkeypatch: pytest.MonkeyPatch) -> Task:
    """A task on 120 real CIFAR-10 images, found in the data folder for the length of the test."""
    monkeypatch.setenv("MAE_BENCH_DATA", str(FIXTURES / "cifar10_120"))
    return load_task(FIXTURES / "cifar10_120" / "cifar10_120.toml")


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
            "nll_by_samples": {1: 21.0},
            "training": {"status": "complete", "reason": "patience", "epochs": 2, "steps": 20, "best_epoch": 1}
            | {"parameters": 1000},
            "clocks": {"training_seconds": 1.5, "evaluation_seconds": 0.5},
            "peak_memory_mib": {"process": 300.0},
            "hashes": {
                "protocol": of.protocol_hash(preset),
                "data": of.data.sha256 or "d" * 64,
                "adapter_source": source,
            }
            | (
                {"validation_bits": "b" * 64, "test_bits": "c" * 64}
                if of.data.likelihood == "bernoulli"
                else {"validation_bits": None, "test_bits": None}
            ),
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
def honest_record(make_record: Callable[..., Record], digits_task: Task) -> Callable[..., Record]:
    """`honest_record(model, seed, nll, **replaced)`: a record whose numbers could have been measured, and all of them.

    `replaced` is what `make_record` takes; the curve and the counts of the training follow from its number of epochs,
    1 unless it is given, each with the best validation loss so far.
    """

    from mae_bench.metrics.settings import sample_levels

    def make(model: str = "mae", seed: int = 0, nll: float = 20.0, *, of: Task = digits_task, **replaced) -> Record:
        given = replaced.pop("training", {})
        training = trained_for(given.get("epochs", 1), of.protocol(str(replaced.get("preset", "small"))), of) | given
        record = make_record(model, seed, of=of, training=training, **replaced)
        protocol = of.protocol(record.preset)
        levels = sample_levels(protocol.density.importance_samples)
        curve = {k: nll + 1.0 - i / max(1, len(levels) - 1) for i, k in enumerate(levels)}
        bits = 1 / (math.prod(of.data.shape) * math.log(2))
        test = of.data.sizes(protocol.subset).test
        images = test if protocol.density.test_images == "all" else protocol.density.test_images
        measured = {
            "nll": {"value": nll, "stderr": 0.2, "n": images},
            "bits_per_dim": {"value": nll * bits, "stderr": 0.2 * bits, "n": images},
            "negative_elbo": {"value": nll + 1.0, "stderr": 0.2, "n": images},
            "reconstruction_error": {"value": nll - 3.0, "stderr": 0.2, "n": images},
            "kl": {"value": 4.0, "stderr": 0.1, "n": images},
            "effective_sample_size": {"value": 8.0, "stderr": 0.3, "n": images},
            "mpd": {"value": 30.0, "stderr": 0.4, "n": protocol.posterior.test_images},
            "mpd_std": {"value": 10.0, "stderr": 0.5, "n": protocol.posterior.test_images},
            "active_units": {"value": 8.0, "stderr": None, "n": protocol.posterior.test_images},
        }
        accuracy = round(0.75 * test) / test
        for name, expected in protocol.probes.expected(test).items():
            draws = [accuracy] * expected.draws
            stderr = math.sqrt(accuracy * (1 - accuracy) / (test - 1))
            measured[name] = {"value": accuracy, "stderr": stderr, "n": test, "draws": draws}
        for name, metric in measured.items():
            metric |= {"unit": metric_kind(name).unit, "direction": metric_kind(name).direction}
        return seal(record.model_dump() | {"metrics": measured, "nll_by_samples": curve})

    def trained_for(epochs: int, protocol: Protocol, of: Task) -> dict[str, object]:
        settings = protocol.training
        batches = max(1, of.data.sizes(protocol.subset).train // settings.batch_size)
        curve = [
            {
                "epoch": epoch,
                "step": epoch * batches,
                "train": {"loss": 30.0},
                "validation_negative_elbo": 20 + 1 / epoch,
            }
            | {"learning_rate": settings.learning_rate * settings.learning_rate_decay ** (epoch * batches)}
            for epoch in range(1, epochs + 1)
        ]
        counts = {"epochs": epochs, "steps": epochs * batches, "best_epoch": epochs or None}
        return {"reason": f"all {epochs} epochs done", "curve": curve, **counts}

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
            source=model.code_hash,
            training={"status": status},
            **replaced,
        )

    return make


@pytest.fixture
def trained_elsewhere(honest_record: Callable[..., Record], digits_task: Task) -> Callable[..., Record]:
    """`trained_elsewhere(model, seed, nll, on="smoke", **replaced)`: a good record of a model trained at preset `on`.

    `replaced` is what `honest_record` takes; `trained_of` is the task that trained the model.
    """

    def make(*arguments, on: str = "smoke", of: Task = digits_task, trained_of: Task = digits_task, **replaced):
        record = honest_record(*arguments, of=of, **replaced)
        params = tuple(sorted(record.model.params.items()))
        model = ModelReference(record.model.name, "", params, record.hashes.adapter_source)
        job = Job(model, trained_of, on, record.seed)
        trained = {
            "key": job.key,
            "task": {"name": trained_of.name, "version": trained_of.version},
            "preset": on,
            "protocol": trained_of.resolved(on),
        }
        key = Job(model, of, record.preset, record.seed, job).key
        return seal(record.model_dump() | {"key": key, "trained": trained})

    return make


@pytest.fixture
def results(honest_record: Callable[..., Record], tmp_path: Path) -> Store:
    """A store with two good records and a file that is none."""
    store = Store(tmp_path / "results")
    for seed in (0, 1):
        store.save(honest_record(seed=seed, nll=20.0 + seed))
    (store.root / "state.json").write_text("{}")
    return store
