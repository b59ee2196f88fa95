"""One job -> one record: load, fit, evaluate. Reads as the protocol."""

import time
from collections.abc import MutableMapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from mae_bench import ENGINE_VERSION
from mae_bench.adapter import Adapter, OutOfTime, Progress
from mae_bench.data import DataSet, load_data
from mae_bench.foundation.errors import MaeBenchError
from mae_bench.foundation.interruption import raise_if_requested
from mae_bench.foundation.process import use_own_settings
from mae_bench.foundation.seeding import derive_seed, seed_everything
from mae_bench.foundation.untrusted import LONGEST_TEXT
from mae_bench.job.allocator import keep_freed_memory
from mae_bench.job.checkpoint import MODEL_FILE, load_checkpoint, save_checkpoint
from mae_bench.job.environment import PeakMemory, describe_environment, describe_machine
from mae_bench.job.initial_state import remember_initial_state
from mae_bench.job.isolation import isolated, use_threads
from mae_bench.job.likelihoods import Construct, unanswered_likelihood
from mae_bench.job.settings import JobSettings
from mae_bench.job.shards import FinishedShards, hash_weights
from mae_bench.job.trained import build_model, load_model
from mae_bench.job.training_context import TrainingContext
from mae_bench.job.training_state import TrainingOutcome
from mae_bench.job.watching import CurveWatcher, unwatched
from mae_bench.metrics import laws
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.metrics.density import ShardScores, evaluate_density, no_density
from mae_bench.metrics.outcome import Measurement
from mae_bench.metrics.posterior import evaluate_posterior
from mae_bench.metrics.probes import evaluate_probes
from mae_bench.planning.plan import PRECISION, Job
from mae_bench.planning.registry import build_adapter, check_code, load_adapter_class
from mae_bench.planning.task import Task
from mae_bench.records.schema import Record, seal


def execute(
    job: Job,
    *,
    working_directory: Path,
    device: str,
    progress: Progress,
    curve: CurveWatcher = unwatched,
    settings: JobSettings = JobSettings(),  # noqa: B008 (frozen)
) -> Record:
    """Run `job` from wherever its checkpoint in `working_directory` stands, and return its record.

    device: "cpu", "cuda", "cuda:0", ... A job of a trained model finds its weights there, as if it had trained them
    (`mae_bench.executors.evaluations.copy_weights`). curve: told of each epoch. settings.compile is for a training
    that begins here; a resumed one continues as it began. MaeBenchError if data, model or training fail.
    """
    check_code(job.model)
    keep_freed_memory()
    target, working_directory = torch.device(device), working_directory.absolute()
    adapter_class = load_adapter_class(job.model.code, job.model.code_hash)
    with isolated(device=target):
        memory = PeakMemory(target)
        data = load_data(job.task, target, preset=job.preset)
        context = TrainingContext(
            job.task.protocol(job.preset).training,
            seed=job.seed,
            device=target,
            checkpoint_directory=working_directory,
            progress=progress,
            curve=curve,
            job_settings=settings,
            sizes=job.task.data.sizes(job.task.protocol(job.preset).subset),
        )
        with isolated(adapter_class, target):
            outcome = _fit(job, data, context)
        use_threads(outcome.threads)
        raise_if_requested()  # a signal that came as training ended; its weights are saved
        # What is scored is what the checkpoint holds, in a process as it is where a job is resumed here: so a resumed
        # job cannot differ from an undisturbed one.
        with isolated(adapter_class, target):
            trained = load_model(job, working_directory / MODEL_FILE, target)
            started = time.monotonic()
            basis = _basis_of_scores(job, data, hash_weights(trained.weights), target)
            shards = FinishedShards(working_directory, basis)
            with threadpool_limits(torch.get_num_threads()):  # scikit-learn's sums too have the threads of the training
                scores = score(
                    trained.adapter,
                    data,
                    job.task,
                    job.preset,
                    seed=job.seed,
                    construct=partial(build_adapter, job.model, preset=(job.trained or job).preset),
                    progress=progress,
                    finished=shards,
                )
        return seal(
            {
                **_identity(job),
                **scores,
                "training": {**_training_section(outcome, target), "parameters": _parameter_count(trained.adapter)},
                "clocks": {
                    "training_seconds": round(outcome.seconds, 3),
                    "evaluation_seconds": round(time.monotonic() - started + shards.earlier_seconds, 3),
                },
                "peak_memory_mib": memory.read(),
                "hashes": {
                    **data.hashes,
                    "protocol": job.task.protocol_hash(job.preset),
                    "adapter_source": job.model.code_hash,
                },
                "environment": describe_environment(target),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )


def _fit(job: Job, data: DataSet, context: TrainingContext) -> TrainingOutcome:
    """Train, or take what an earlier session of this job trained. Leaves the weights in `MODEL_FILE`."""
    directory = context.checkpoint_directory
    remember_initial_state(job, directory)
    fitted = load_checkpoint(directory / MODEL_FILE)
    if fitted is not None and fitted[1]["status"] == "complete":
        return TrainingOutcome(**fitted[1])
    if job.trained is not None:
        raise MaeBenchError(f"the weights of the trained model are not in {directory}; evaluate its checkpoint again.")
    threads = torch.get_num_threads()
    model = build_model(job, context.device)
    started = time.monotonic()
    seed_everything(derive_seed(job.seed, "fit"))
    try:
        model.fit(data.train, data.validation, context)
    except OutOfTime:
        if not context.cut_short:
            raise
    outcome = context.whole_outcome(time.monotonic() - started, threads)
    outcome = replace(outcome, machine=describe_machine(context.device))
    save_checkpoint(directory / MODEL_FILE, model.state_dict(), asdict(outcome))
    if outcome.status == "complete":
        context.remove_files()
    return outcome


def _basis_of_scores(job: Job, data: DataSet, weights: str, device: torch.device) -> dict[str, Any]:
    """All that decides the bits of a shard's scores; those of an earlier session count only if it is the same."""
    return {
        "engine_version": ENGINE_VERSION,
        "adapter_source": job.model.code_hash,
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


def score(
    model: Adapter,
    data: DataSet,
    task: Task,
    preset: str,
    *,
    seed: int,
    construct: Construct,
    progress: Progress,
    finished: MutableMapping[int, ShardScores] | None = None,
) -> dict[str, Any]:
    """Density, posterior geometry and probes of a trained model, as the protocol of `task` at `preset` says.

    data: those of the task at the preset. seed: the job's, which decides the draws. construct: as
    `unanswered_likelihood` takes it. finished: as `evaluate_density` takes it. Gives these sections of a record:
    metrics, not_supported, nll_by_samples, nll_fall_stderr, broken_laws.
    """
    protocol = task.protocol(preset)
    if reason := unanswered_likelihood(type(model), model.data, construct):
        density = no_density(reason)
    else:
        density = evaluate_density(
            model, data.test, protocol.density, task_seed=task.seed, seed=seed, progress=progress, finished=finished
        )
    use_own_settings()  # no answer is given under what another one set
    posterior = evaluate_posterior(model, data.test, protocol.posterior)
    use_own_settings()
    outcomes = [
        density,
        posterior,
        evaluate_probes(model, data, protocol.probes, task_seed=task.seed, progress=progress),
    ]
    use_own_settings()
    measurements = [measurement for outcome in outcomes for measurement in outcome.measurements]
    images = data.test.batch(torch.arange(min(laws.IMAGES, len(data.test))))
    values = 2 if data.spec.likelihood == "bernoulli" else task.data.levels + 1
    return {
        "metrics": {measurement.name: _metric(measurement) for measurement in measurements},
        "not_supported": {
            name: _shortened(reason) for outcome in outcomes for name, reason in outcome.not_supported.items()
        },
        "nll_by_samples": density.nll_by_samples,
        "nll_fall_stderr": density.nll_fall_stderr,
        "broken_laws": laws.broken_laws(model, images, values, density, seed),
    }


def _shortened(reason: str) -> str:
    """What a model says, cut off if it is too long for a record."""
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


def _training_section(outcome: TrainingOutcome, device: torch.device) -> dict[str, Any]:
    """device: that of the evaluation, which the record describes once if it is the training's."""
    section = asdict(outcome)
    del section["seconds"], section["threads"]
    if section["machine"] == describe_machine(device):
        section["machine"] = None
    return section


def _parameter_count(model: Adapter) -> int:
    return sum(parameter.numel() for parameter in model.parameters())
