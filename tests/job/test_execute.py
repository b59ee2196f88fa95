"""The whole harness: a known likelihood, the same record for the same seed, and jobs that are killed for real."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from mae_bench.data import load_data
from mae_bench.data.arrays import hash_arrays
from mae_bench.job.checkpoint import MODEL_FILE, TRAINING_FILE
from mae_bench.job.environment import processor
from mae_bench.job.execute import execute
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import Job, plan
from mae_bench.planning.registry import resolve_models
from mae_bench.planning.task import Task
from mae_bench.records.schema import Record
from mae_bench.records.store import Store
from tests.adapters.linear_images import load

ROOT = Path(__file__).parents[2]
ADAPTERS = ROOT / "tests" / "adapters"
VARYING = {"clocks", "peak_memory_mib", "environment", "created", "record_hash"}


def comparable(record: Record) -> dict[str, object]:
    """All of a record but what two equal runs may differ in."""
    return record.model_dump(mode="json", exclude=VARYING)


def one_job(model: str, task: Task, preset: str = "smoke", seed: int = 0) -> Job:
    [job] = plan(resolve_models(model), [task], preset, [seed])
    return job


def run(job: Job, folder: Path, **options: float) -> Record:
    return execute(
        job, working_directory=folder, device="cpu", progress=lambda *_: None, settings=JobSettings(**options)
    )


@pytest.fixture
def linear_task(mnist_500_task: Task) -> Task:
    """A task on grey 3x3 images, scored with 1,024 importance samples."""
    data = mnist_500_task.data.model_copy(
        update={
            "source": "tests.adapters.linear_images:load",
            "sha256": hash_arrays(load()),
            "shape": (1, 3, 3),
            "likelihood": "discretized_logistic_mixture",
            "classes": 2,
            "train_size": 400,
            "validation_size": 100,
            "test_size": 200,
        }
    )
    protocol = mnist_500_task.presets["smoke"]
    density = protocol.density.model_copy(
        update={"importance_samples": 1024, "samples_per_chunk": 256, "test_images": "all"}
    )
    presets = {"smoke": protocol.model_copy(update={"density": density})}
    return mnist_500_task.model_copy(update={"name": "linear", "data": data, "presets": presets})


def test_a_known_likelihood_comes_out_of_the_whole_harness(linear_task: Task, tmp_path: Path) -> None:
    """NLL within 0.01 nats of the closed form N(x; b, W W' + noise^2), over the same test images."""
    record = run(one_job(f"{ADAPTERS / 'linear_gaussian.py'}", linear_task), tmp_path)

    train = load_data(linear_task).train.batch(torch.arange(400), torch.Generator()).flatten(1).double().numpy()
    variances, directions = np.linalg.eigh(np.cov(train.T, bias=True))
    noise = variances[:-1].mean()
    loading = directions[:, -1] * np.sqrt(variances[-1] - noise)
    closed_form = multivariate_normal(train.mean(0), np.outer(loading, loading) + noise * np.eye(9))
    test = load().x_test.reshape(-1, 9) / 255
    exact = -closed_form.logpdf(test)

    nll = record.metrics["nll"]
    assert nll.value == pytest.approx(exact.mean(), abs=0.01)
    assert nll.stderr == pytest.approx(exact.std(ddof=1) / np.sqrt(200), rel=0.01)
    assert record.metrics["bits_per_dim"].value == pytest.approx(nll.value / (9 * np.log(2)))
    # Too wide a posterior by 1.2: KL(q || exact posterior) = log(1/1.2) + (1.2^2 - 1)/2, the gap of the ELBO.
    gap = np.log(1 / 1.2) + (1.2**2 - 1) / 2
    assert record.metrics["negative_elbo"].value - exact.mean() == pytest.approx(gap, abs=0.01)
    assert record.training.status == "complete"
    assert record.training.reason == "the model's own fit"
    # The strength of the pattern is what the label tells: the one latent unit must know it.
    assert record.metrics["knn_100"].value > 0.9


def test_the_same_seed_gives_the_same_record_and_another_another(mnist_500_task: Task, tmp_path: Path) -> None:
    first, second, third = (
        run(one_job("mae", mnist_500_task, seed=seed), tmp_path / name) for seed, name in [(1, "a"), (1, "b"), (2, "c")]
    )
    assert comparable(first) == comparable(second)
    assert first.metrics["nll"].value != third.metrics["nll"].value
    assert first.metrics["nll"].value < 784 * np.log(2)
    assert third.hashes == first.hashes


def test_a_record_holds_what_is_needed_to_run_it_again(mnist_500_task: Task, tmp_path: Path) -> None:
    job = one_job("vlae[free_bits=0.02]", mnist_500_task)
    record = run(job, tmp_path)
    assert record.key == job.key
    assert record.model.params == {"free_bits": 0.02}
    assert record.protocol == mnist_500_task.resolved("smoke")
    assert record.record_hash == record.content_hash()
    assert record.training.steps == 340 // 50
    assert record.training.parameters > 1000
    assert record.environment.torch == torch.__version__
    assert record.peak_memory_mib["process"] > 50
    text = record.model_dump_json()
    for secret in (str(ROOT), str(Path.home()), os.uname().nodename):
        assert not re.search(rf"\b{re.escape(secret)}\b", text)
    assert (tmp_path / MODEL_FILE).exists()
    assert not (tmp_path / TRAINING_FILE).exists()


def test_a_model_that_cannot_answer_has_reasons_not_zeros(mnist_500_task: Task, tmp_path: Path) -> None:
    record = run(one_job(f"{ADAPTERS / 'fragile.py'}", mnist_500_task), tmp_path)
    assert "mpd" not in record.metrics
    assert "posterior" in record.not_supported["mpd"]
    assert record.metrics["nll"].value == pytest.approx(record.metrics["negative_elbo"].value)
    assert record.metrics["effective_sample_size"].value == pytest.approx(4.0)


LONG_WINDED = """
import json
import torch
from mae_bench import Adapter, NotSupported

class LongWinded(Adapter):
    def fit(self, train, validation, context):
        (context.checkpoint_directory / "log.json").write_text(json.dumps({"loss": float("nan")}))

    def posterior(self, x):
        raise NotSupported("no" * 3000)

    def encode(self, x):
        return x.flatten(1)
"""


def test_what_a_model_says_and_keeps_at_length_breaks_no_store(digits_task: Task, tmp_path: Path) -> None:
    """A reason that no record can hold is cut off, and JSON of a `fit` of its own is no record."""
    (tmp_path / "long_winded.py").write_text(LONG_WINDED)
    job, store = one_job(str(tmp_path / "long_winded.py"), digits_task), Store(tmp_path / "results")
    store.working_directory(job).mkdir(parents=True)
    store.save(run(job, store.working_directory(job)))
    assert (store.working_directory(job) / "log.json").exists()
    (record,) = store.records()
    assert record.not_supported["mpd"] == "no" * 1999 + "n…"
    assert record.not_supported["nll"] == "LongWinded has no importance_terms(x, samples), so it has no likelihood"


def test_where_a_model_was_trained_is_known_where_it_is_evaluated(
    mnist_500_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record says so only if it is another machine, which had another torch here."""
    job = one_job("vlae", mnist_500_task)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(torch, "__version__", "2.11.0+cu130")
        whole = run(job, tmp_path)
        assert whole.training.machine is None
    found = run(job, tmp_path)
    assert found.training.machine == f"torch 2.11.0+cu130 on {processor()}"
    assert comparable(found.model_copy(update={"training": whole.training})) == comparable(whole)


def test_a_cut_short_job_is_partial_and_goes_on(mnist_500_task: Task, tmp_path: Path) -> None:
    job = one_job("vlae", mnist_500_task)
    whole = run(job, tmp_path / "whole")
    part = run(job, tmp_path / "parts", max_minutes=1e-9)
    assert part.training.status == "partial"
    assert part.training.steps == 1
    assert part.metrics["nll"].value > whole.metrics["nll"].value
    assert comparable(run(job, tmp_path / "parts")) == comparable(whole)


# -- killed for real --------------------------------------------------------------------------------------------------

COMMAND = "run --models vlae --preset smoke --seeds 5 --checkpoint-minutes 0 --device cpu"


def start(task_file: Path, store: Path) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-m", "mae_bench", *COMMAND.split(), "-t", str(task_file), "-o", str(store)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_when(process: subprocess.Popen[bytes], happened: Callable[[], bool]) -> None:
    """SIGKILL as soon as `happened`; fails if the process ends before."""
    deadline = time.monotonic() + 60
    while not happened():
        assert process.poll() is None, "the job ended before it could be killed"
        assert time.monotonic() < deadline, "the moment to kill never came"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_kill_at_any_moment_and_the_same_command_ends_in_the_same_bits(mnist_500_task: Task, tmp_path: Path) -> None:
    task_file = ROOT / "tests" / "fixtures" / "mnist_500" / "mnist_500.toml"
    assert start(task_file, tmp_path / "whole").wait(120) == 0
    [whole] = Store(tmp_path / "whole").records()

    store = tmp_path / "killed"
    folder = store / "mnist_500" / "smoke" / "vlae" / whole.key
    kill_when(start(task_file, store), (folder / TRAINING_FILE).exists)
    half_trained = (folder / TRAINING_FILE).stat().st_mtime_ns
    kill_when(start(task_file, store), lambda: changes(folder / TRAINING_FILE, half_trained))
    kill_when(start(task_file, store), (folder / MODEL_FILE).exists)
    assert not Store(store).records(), "killed while it was evaluated, so there is no record yet"
    assert start(task_file, store).wait(120) == 0
    [resumed] = Store(store).records()
    assert comparable(resumed) == comparable(whole)
    weights = [(root / "mnist_500" / "smoke" / "vlae" / whole.key / MODEL_FILE) for root in (tmp_path / "whole", store)]
    assert tensors(weights[0]) == tensors(weights[1])
    shutil.rmtree(store)


def changes(path: Path, before: int) -> bool:
    """Whether the file was replaced at least once since `before`."""
    try:
        return path.stat().st_mtime_ns != before
    except FileNotFoundError:
        return False


def tensors(path: Path) -> dict[str, list[float]]:
    """The weights in a checkpoint, as plain numbers."""
    from safetensors.torch import load_file

    return {name: tensor.flatten().tolist() for name, tensor in load_file(path).items()}
