"""NLL, training step and sampling at preset paper, as multiples of the plain networks' speed, both timed in one run.

Each round times the plain networks and then the package's, so that what else the machine does meets both. Slices stand
for the whole: 256 importance samples of one image, and 16 of the 784 passes of plain sampling. The plain way with all
4096 samples takes more than sixteen times as long as with 256, so that is timed too, once.
"""

from collections.abc import Callable, Iterator

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from benchmarks.plain_process import PlainProcess, wait_for
from benchmarks.test_paper_preset import paper_model, random_bits
from mae_bench.job.precision import has_fast_bfloat16
from mae_bench.vae import VAE

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PIXELS, PASSES = 28 * 28, 16
BATCH = 64
ROUNDS = 10
"""Enough that the least of them meets little other load."""

Compare = Callable[..., None]


@pytest.fixture(scope="module")
def model() -> VAE:
    """MAE as the package has it, in this process, which allocates as that of a job does."""
    model = paper_model("mae")
    assert isinstance(model, VAE)
    return model.to(DEVICE)


@pytest.fixture(scope="module")
def plain(model: VAE) -> Iterator[PlainProcess]:
    """MAE in the plain way, with the same parameters."""
    with PlainProcess(model.state_dict(), DEVICE) as process:
        yield process


@pytest.fixture
def compare(benchmark: BenchmarkFixture, hold_ratio: Callable[[str, float, str], None], plain: PlainProcess) -> Compare:
    """`compare(name, fast, rounds, call, x, *arguments, share=1.0)`: time both, and hold their ratio.

    call, x, arguments: of `PlainProcess.seconds`. share: of the whole that they do in the plain way.
    """

    def timed(work: Callable[[], object]) -> None:
        work()
        wait_for(DEVICE)

    def measure(
        name: str, fast: Callable[[], object], rounds: int, call: str, x: Tensor, *arguments: int, share: float = 1.0
    ) -> None:
        seconds: list[float] = []
        benchmark.pedantic(
            lambda: timed(fast),
            setup=lambda: seconds.append(plain.seconds(call, x, *arguments) / share),
            rounds=rounds,
            warmup_rounds=min(1, rounds - 1),  # what is timed once is long
        )
        ratio = min(seconds[-rounds:]) / benchmark.stats.stats.min  # minima: other load only ever adds
        benchmark.extra_info["ratio"] = ratio
        hold_ratio(f"{name}_{DEVICE}", ratio, DEVICE)

    return measure


@pytest.mark.parametrize(("name", "samples", "rounds"), [("nll", 256, ROUNDS), ("nll_whole", 4096, 1)])
def test_nll(compare: Compare, model: VAE, name: str, samples: int, rounds: int) -> None:
    """log p(x) of one image from 256 importance samples, and from 4096: in the plain way one piece, of 10 GB."""
    x = random_bits(1).to(DEVICE)

    def nll() -> None:
        with torch.no_grad():
            model.importance_terms(x, samples)

    compare(name, nll, rounds, "nll", x, samples)


in_bfloat16 = pytest.mark.skipif(
    not has_fast_bfloat16(torch.device(DEVICE)), reason=f"no instructions for bfloat16 on this {DEVICE}"
)


@pytest.mark.parametrize(("name", "bfloat16"), [("train", False), pytest.param("train_bf16", True, marks=in_bfloat16)])
def test_training_step(compare: Compare, model: VAE, name: str, bfloat16: bool) -> None:
    """Loss, gradients and a step of Adam on a batch of 100, against plain networks in float32 either way."""
    x = random_bits(100).to(DEVICE)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-5, fused=True)

    def step() -> None:
        optimiser.zero_grad()
        with torch.autocast(DEVICE, torch.bfloat16, enabled=bfloat16):
            loss = model.loss(x).total
        loss.backward()
        optimiser.step()

    compare(name, step, ROUNDS, "training_step", x)


def test_sampling(compare: Compare, model: VAE) -> None:
    """64 images from p(x|z), all of them by the package and 16 of the 784 passes in the plain way."""
    z = torch.randn(BATCH, 32, device=DEVICE)
    compare("sample", lambda: model.decoder.sample(z), ROUNDS, "sample", z, PASSES, share=PASSES / PIXELS)
