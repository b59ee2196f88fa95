"""One job -> one record: load, fit, evaluate. Reads as the protocol."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from mae_bench import ENGINE_VERSION
from mae_bench.adapter import Adapter, Progress
from mae_bench.allocator import keep_freed_memory
from mae_bench.checkpoint import MODEL_FILE, TRAINING_FILE, load_checkpoint, save_checkpoint
from mae_bench.data import DataSet, data_spec, load_data
from mae_bench.environment import PeakMemory, describe_environment
from mae_bench.errors import MaeBenchError
from mae_bench.evaluation_state import FinishedShards, hash_weights
from mae_bench.interruption import raise_if_requested
from mae_bench.metrics.catalogue import DensityOutcome, Measurement, metric_kind
from mae_bench.metrics.density import evaluate_density
from mae_bench.metrics.posterior import evaluate_posterior
from mae_bench.metrics.probes import evaluate_probes
from mae_bench.plan import PRECISION, Job
from mae_bench.records.schema import Record, seal
from mae_bench.records.untrusted import LONGEST_TEXT
from mae_bench.registry import build_adapter, check_source
from mae_bench.seeding import derive_seed
from mae_bench.training import TrainingContext
from mae_bench.training_state import TrainingOutcome


def execute(
    job: Job,
    *,
    working_directory: Path,
    device: str,
    progress: Progress,
    max_minutes: float | None = None,
    checkpoint_minutes: float = 1.0,
    compiled: bool = False,
) -> Record:
    """Run `job` from wherever its checkpoint in `working_directory` stands, and return its record.

    device: "cpu", "cuda", "cuda:0", ... max_minutes: of training in this call; the record is then partial. A job of a
    trained model finds its weights there, as if it had trained them (`mae_bench.evaluate.copy_weights`). compiled:
    whether a training that begins here has its steps compiled; a resumed one goes on as it began.
    MaeBenchError where data, model or training fail.
    """
    check_source(job.model)
    keep_freed_memory()
    target = torch.device(device)
    with _own_threads(), torch.random.fork_rng([target] if target.type == "cuda" else []):
        _use_full_float32()
        memory = PeakMemory(target)
        data = load_data(job.task, target, preset=job.preset)
        context = TrainingContext(
            job.task.protocol(job.preset).training,
            seed=job.seed,
            device=target,
            checkpoint_directory=working_directory,
            progress=progress,
            max_minutes=max_minutes,
            checkpoint_minutes=checkpoint_minutes,
            compiled=compiled,
        )
        outcome = _fit(job, data, context)
        raise_if_requested()  # a signal that came as training ended; its weights are saved
        model = _built(job, target)
        weights = _load_fitted(model, working_directory)
        started = time.monotonic()
        shards = FinishedShards(working_directory, _stands_on(job, data, weights, target))
        with threadpool_limits(torch.get_num_threads()):  # scikit-learn's sums too have the threads of the training
            scores = _evaluate(job, model, data, shards, progress)
        return seal(
            {
                **_identity(job),
                **scores,
                "training": {**_training_section(outcome), "parameters": _parameter_count(model)},
                "clocks": {
                    "training_seconds": round(outcome.seconds, 3),
                    "evaluation_seconds": round(time.monotonic() - started + shards.earlier_seconds, 3),
                },
                "peak_memory_mib": memory.read(),
                "hashes": {
                    **data.hashes,
                    "protocol": job.task.protocol_hash(job.preset),
                    "adapter_source": job.model.source_hash,
                },
                "environment": describe_environment(target),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )


def _fit(job: Job, data: DataSet, context: TrainingContext) -> TrainingOutcome:
    """Train, or take what an earlier session of this job trained. Leaves the weights in `MODEL_FILE`."""
    directory = context.checkpoint_directory
    fitted = load_checkpoint(directory / MODEL_FILE)
    if fitted is not None and fitted[1]["status"] == "complete":
        torch.set_num_threads(fitted[1]["threads"])
        return TrainingOutcome(**fitted[1])
    if job.trained is not None:
        raise MaeBenchError(f"the weights of the trained model are not in {directory}; evaluate its checkpoint again.")
    model = _built(job, context.device)
    started = time.monotonic()
    torch.manual_seed(derive_seed(job.seed, "fit"))
    model.fit(data.train, data.validation, context)
    outcome = context.outcome or _own_fit_outcome(time.monotonic() - started)
    save_checkpoint(directory / MODEL_FILE, model.state_dict(), asdict(outcome))
    if outcome.status == "complete":
        (directory / TRAINING_FILE).unlink(missing_ok=True)
    return outcome


def _own_fit_outcome(seconds: float) -> TrainingOutcome:
    """For an adapter whose `fit` never called the default loop."""
    return TrainingOutcome("complete", "the model's own fit", 0, 0, None, [], seconds, torch.get_num_threads())


def _built(job: Job, device: torch.device) -> Adapter:
    """The job's model before training, its weights drawn from the job's seed: as it is built where it is trained."""
    training = job.trained or job
    torch.manual_seed(derive_seed(job.seed, "weights"))
    return build_adapter(job.model, data_spec(training.task, training.preset), training.preset).to(device)


def _load_fitted(model: Adapter, directory: Path) -> str:
    """What is scored is what the checkpoint holds, so that a resumed job cannot differ from an undisturbed one.

    Gives the hash of the weights.
    """
    fitted = load_checkpoint(directory / MODEL_FILE)
    assert fitted is not None, "_fit has just written it"
    model.load_state_dict(fitted[0])
    model.eval()
    return hash_weights(fitted[0])


def _stands_on(job: Job, data: DataSet, weights: str, device: torch.device) -> dict[str, Any]:
    """All that decides the bits of a shard's scores; those of an earlier session count only where it is the same."""
    return {
        "engine_version": ENGINE_VERSION,
        "adapter_source": job.model.source_hash,
        "params": dict(job.model.params),
        "weights": weights,
        "density": job.task.protocol(job.preset).density.model_dump(mode="json"),
        "task_seed": job.task.seed,
        "seed": job.seed,
        "data": data.hashes,
        "torch": torch.__version__,
        "device": device.type,
        "threads": torch.get_num_threads(),
    }


def _evaluate(job: Job, model: Adapter, data: DataSet, shards: FinishedShards, progress: Progress) -> dict[str, Any]:
    """Density, posterior geometry and probes, as the preset's protocol says."""
    protocol, task_seed = job.task.protocol(job.preset), job.task.seed
    density: DensityOutcome = evaluate_density(
        model, data.test, protocol.density, task_seed=task_seed, seed=job.seed, progress=progress, finished=shards
    )
    outcomes = [
        density,
        evaluate_posterior(model, data.test, protocol.posterior),
        evaluate_probes(model, data, protocol.probes, task_seed=task_seed, progress=progress),
    ]
    measurements = [measurement for outcome in outcomes for measurement in outcome.measurements]
    return {
        "metrics": {measurement.name: _metric(measurement) for measurement in measurements},
        "not_supported": {
            name: _shortened(reason) for outcome in outcomes for name, reason in outcome.not_supported.items()
        },
        "nll_by_samples": density.nll_by_samples,
    }


def _shortened(reason: str) -> str:
    """What a model says, cut off where a record would have no room for it."""
    return reason if len(reason) <= LONGEST_TEXT else f"{reason[: LONGEST_TEXT - 1]}…"


def _metric(measurement: Measurement) -> dict[str, Any]:
    kind = metric_kind(measurement.name)
    return {
        "value": measurement.value,
        "stderr": measurement.stderr,
        "n": measurement.n,
        "unit": kind.unit,
        "direction": kind.direction,
        "draws": measurement.draws,
        "reason": measurement.reason,
    }


def _identity(job: Job) -> dict[str, Any]:
    return {
        **_place(job),
        "trained": job.trained and _place(job.trained),
        "model": {"name": job.model.name, "params": dict(job.model.params)},
        "seed": job.seed,
        "precision": PRECISION,
        "engine_version": ENGINE_VERSION,
    }


def _place(job: Job) -> dict[str, Any]:
    """What tells a job from others of the same model and seed."""
    return {
        "key": job.key,
        "task": {"name": job.task.name, "version": job.task.version},
        "preset": job.preset,
        "protocol": job.task.resolved(job.preset),
    }


def _training_section(outcome: TrainingOutcome) -> dict[str, Any]:
    section = asdict(outcome)
    del section["seconds"], section["threads"]
    return section


def _parameter_count(model: Adapter) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _use_full_float32() -> None:
    """No TF32: a published number is float32 throughout."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


@contextmanager
def _own_threads() -> Iterator[None]:
    """A resumed job runs with the threads it began with; the next one gets back what there was."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
