"""NLL, training step and sampling at preset paper, as multiples of the plain networks' speed, both timed in one run.

Each round times the plain networks and then the package's, so that what else the machine does meets both. Slices stand
for the whole: 256 importance samples of one image, and 16 of the 784 passes of plain sampling.
"""

from collections.abc import Callable
from time import perf_counter

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.reference import PlainMAE
from benchmarks.test_paper_preset import paper_model, random_bits
from mae_bench.vae import VAE

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SAMPLES = 256
PIXELS, PASSES = 28 * 28, 16
BATCH = 64


@pytest.fixture(scope="module")
def models() -> tuple[PlainMAE, VAE]:
    """MAE in the plain way and in the package's, with the same parameters."""
    fast = paper_model("mae")
    assert isinstance(fast, VAE)
    plain = PlainMAE()
    plain.load_state_dict(fast.state_dict())
    return plain.to(DEVICE), fast.to(DEVICE)


@pytest.fixture
def compare(benchmark: BenchmarkFixture, hold_ratio: Callable[[str, float, str], None]) -> Callable[..., None]:
    """`compare(name, plain, fast, rounds, share)`: time both, and hold their ratio. share: of the plain work."""

    def wait() -> None:
        if DEVICE == "cuda":
            torch.cuda.synchronize()

    def timed(call: Callable[[], object]) -> float:
        wait()
        start = perf_counter()
        call()
        wait()
        return perf_counter() - start

    def measure(name: str, plain: Callable[[], object], fast: Callable[[], object], rounds: int, share: float) -> None:
        seconds: list[float] = []
        benchmark.pedantic(
            lambda: timed(fast), setup=lambda: seconds.append(timed(plain) / share), rounds=rounds, warmup_rounds=1
        )
        ratio = min(seconds[-rounds:]) / benchmark.stats.stats.min  # minima: other load only ever adds
        benchmark.extra_info["ratio"] = ratio
        hold_ratio(f"{name}_{DEVICE}", ratio, DEVICE)

    return measure


def test_nll(compare: Callable[..., None], models: tuple[PlainMAE, VAE]) -> None:
    """log p(x) of one image from 256 importance samples."""
    plain, fast = models
    x = random_bits(1).to(DEVICE)

    def fast_nll() -> None:
        with torch.no_grad():
            fast.importance_terms(x, SAMPLES)

    compare("nll", lambda: plain.nll(x, SAMPLES), fast_nll, 5, 1.0)


def test_training_step(compare: Callable[..., None], models: tuple[PlainMAE, VAE]) -> None:
    """Loss, gradients and a step of Adam on a batch of 100."""
    plain, fast = models
    x = random_bits(100).to(DEVICE)
    optimisers = {model: torch.optim.Adam(model.parameters(), lr=1e-5, fused=True) for model in models}

    def step(model: PlainMAE | VAE) -> None:
        optimisers[model].zero_grad()
        loss = model.loss(x)
        (loss if isinstance(loss, torch.Tensor) else loss.total).backward()
        optimisers[model].step()

    compare("train", lambda: step(plain), lambda: step(fast), 5, 1.0)


def test_sampling(compare: Callable[..., None], models: tuple[PlainMAE, VAE]) -> None:
    """64 images from p(x|z), all of them by the package and 16 of the 784 passes in the plain way."""
    plain, fast = models
    z = torch.randn(BATCH, 32, device=DEVICE)
    compare("sample", lambda: plain.sample(z, PASSES), lambda: fast.decoder.sample(z), 3, PASSES / PIXELS)
