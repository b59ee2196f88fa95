"""What docs/speed.md lacks: epochs a minute, hours of the whole NLL, seconds of samples, fraction of the device's peak.

Slices stand for the whole, as each row says; nothing fails for being slow. The peak is that of a large product of
float32 matrices, timed here. FLOPs are those of convolutions and matrix products, as torch counts them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mae_bench.data.images import ByteImages
from mae_bench.job.training_context import TrainingContext
from mae_bench.metrics.density import score_shard
from mae_bench.vae import VAE
from tests.gpu.subject import DEVICE, MODELS, ON_GPU, TASKS, make_model, random_images, random_levels, shipped_task

Figure = Callable[[str, str, str], None]


@dataclass(frozen=True)
class Slice:
    """How much of the whole is timed."""

    side: int
    """Of the matrices whose product gives the peak."""
    warm_up: int
    """Training steps that are not timed."""
    steps: int
    validation: int
    """Images."""
    chunks: int | None
    """Of a shard of the NLL; None for all."""
    samples: int


TIMED = Slice(8192, 10, 50, 2000, None, 64) if ON_GPU else Slice(512, 1, 2, 50, 1, 1)
"""On a CPU only the tests themselves are tried."""
LAST = TIMED.warm_up + TIMED.steps

cases = pytest.mark.parametrize(("task", "name"), [(task, name) for task in TASKS for name in MODELS])


def now() -> float:
    """Seconds, when all that the device was asked for is done."""
    if ON_GPU:
        torch.cuda.synchronize(DEVICE)
    return time.perf_counter()


def seconds_of(work: Callable[[], object]) -> float:
    started = now()
    work()
    return now() - started


def flops_of(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    flops: int = counter.get_total_flops()
    return flops


def images(model: VAE, count: int, fixed_bits: bool) -> ByteImages:
    """Random ones on the device, as the harness holds a split."""
    levels = random_levels(model.data, count, seed=2).to(DEVICE)
    bits = levels > 127 if fixed_bits and model.data.likelihood == "bernoulli" else None
    return ByteImages(levels, 255, model.data.likelihood, bits)


@pytest.fixture(scope="module")
def peak() -> float:
    """FLOP/s of a product of two large matrices: the best of ten."""
    a, b = torch.randn(2, TIMED.side, TIMED.side, device=DEVICE)
    return 2 * TIMED.side**3 / min(seconds_of(lambda: a @ b) for _ in range(10))


def test_peak(figure: Figure, peak: float) -> None:
    figure("peak in float32", f"{peak / 1e12:.1f} TFLOP/s", f"product of {TIMED.side} x {TIMED.side} matrices")


@cases
def test_epochs_a_minute(tmp_path: Path, figure: Figure, peak: float, task: str, name: str) -> None:
    """The harness's own loop on random images, from the first step after the warm-up to the end of a short epoch."""
    data, settings = shipped_task(task).data, shipped_task(task).protocol("paper").training
    model = make_model(name, task)
    batch = settings.batch_size
    x = random_images(model.data, batch, seed=1).to(DEVICE, torch.float32)
    flops = flops_of(lambda: model.loss(x).total.backward())  # noqa: PLW0108 (the loss is a part of the step)
    train, validation = (images(model, n, bits) for n, bits in ((LAST * batch, False), (TIMED.validation, True)))
    times: dict[int, float] = {}

    def watch(stage: str, done: int, total: int, note: str) -> None:
        if done in (TIMED.warm_up, LAST):
            times[done] = now()

    context = TrainingContext(settings, seed=0, device=DEVICE, checkpoint_directory=tmp_path, progress=watch)
    context.train(model, train, validation, max_epochs=1)
    ended = now()
    step = (times[LAST] - times[TIMED.warm_up]) / TIMED.steps
    check = (ended - times[LAST]) * data.validation_size / TIMED.validation
    steps = data.train_size // batch
    of = f"{name}, {task}"
    figure(f"training step of {of}", f"{1000 * step:.1f} ms", f"{TIMED.steps} steps of batch {batch}")
    figure(
        f"epochs a minute of {of}",
        f"{60 / (steps * step + check):.2f}",
        f"{steps} steps and a validation of {check:.1f} s, from {TIMED.steps} and {TIMED.validation} images",
    )
    figure(f"fraction of peak, training {of}", f"{flops / step / peak:.0%}", f"{flops / 1e9:.0f} GFLOP a step")
    assert step > 0


@cases
def test_nll_of_all_test_images(figure: Figure, peak: float, task: str, name: str) -> None:
    """A shard as the harness scores it, after one chunk that is not timed."""
    data, whole = shipped_task(task).data, shipped_task(task).protocol("paper").density
    model = make_model(name, task).eval()
    x = random_images(model.data, whole.images_per_shard, seed=3).to(DEVICE, torch.float32)
    chunks = TIMED.chunks or whole.importance_samples // whole.samples_per_chunk
    timed = whole.model_copy(update={"importance_samples": chunks * whole.samples_per_chunk})
    with torch.no_grad():
        flops = chunks * flops_of(lambda: model.importance_terms(x, whole.samples_per_chunk))
    seconds = seconds_of(lambda: score_shard(model, x, timed, seed=0, shard=0))
    times = data.test_size / len(x) * whole.importance_samples / timed.importance_samples
    of = f"{name}, {task}"
    figure(
        f"NLL of {data.test_size} images x {whole.importance_samples} samples, {of}",
        f"{times * seconds / 3600:.2f} h",
        f"{times:g} times a slice of {len(x)} images x {timed.importance_samples} samples, {seconds:.2f} s",
    )
    figure(f"fraction of peak, NLL {of}", f"{flops / seconds / peak:.0%}", f"{flops / 1e12:.2f} TFLOP a slice")
    assert seconds > 0


@pytest.mark.parametrize(("task", "name"), [(task, name) for task in TASKS for name in ("vlae", "resnet_vae")])
def test_samples(figure: Figure, task: str, name: str) -> None:
    model = make_model(name, task).eval()
    model.sample(1)
    seconds = seconds_of(lambda: model.sample(TIMED.samples))
    figure(f"{TIMED.samples} samples of {name}, {task}", f"{seconds:.2f} s", "once, after one image")
    assert seconds > 0
