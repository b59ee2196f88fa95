"""A GPU in float32 against the CPU in float64, with the same draws.

The tolerances are fifteen to a hundred times what float32 on a CPU is off (measured at preset paper, and repeated by
MAE_BENCH_TEST_DEVICE=cpu): a GPU adds in another order, and its convolutions may take another algorithm. TF32, rounded
to 11 bits, would be off by ten times the tolerance of gradients and posteriors.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from mae_bench.metrics.density import score_shard
from mae_bench.metrics.settings import DensitySettings
from mae_bench.vae import VAE
from tests.gpu.same_draws import SameDraws
from tests.gpu.subject import (
    DEVICE,
    MODELS,
    TASKS,
    exact,
    fresh_model,
    make_model,
    random_images,
    shipped_task,
)

LOSS = 1e-5
"""Relative, of each term. Float32 on a CPU: 1.1e-6."""
GRADIENT = 1e-4
"""Of the norm over all parameters. Float32 on a CPU: 1.6e-6; TF32: 1e-3."""
ONE_GRADIENT = 1e-3
"""Of the norm of each parameter that has a thousandth of the whole. Float32 on a CPU: 7e-6; TF32: 2e-2."""
NLL = 3e-6
"""Relative; 0.002 nats of 600. Float32 on a CPU: 2.3e-7; TF32: 1e-4 on MNIST."""
KL = 1e-4
"""Relative. Float32 on a CPU: 1.1e-6."""
EFFECTIVE_SAMPLE_SIZE = 1e-2
"""Relative; a weight is the exponential of a difference of NLLs. Float32 on a CPU: 4e-4."""
POSTERIOR = 1e-4
"""Of the largest mean, and absolute for a log-variance. Float32 on a CPU: 6.1e-6; TF32: 1e-3."""
INITIAL = 1e-4
"""Of the norm of all scales and biases. Float32 on a CPU: 8e-7."""
OffBy = Callable[[str, str, float, float], None]
every_case = pytest.mark.parametrize(("task", "name"), [(task, name) for task in TASKS for name in MODELS])
# The networks of mae are those of vlae; only its loss differs.
different_networks = pytest.mark.parametrize(
    ("task", "name"), [(task, name) for task in TASKS for name in ("mae", "resnet_vae")]
)


def on_device(x: Tensor) -> Tensor:
    return x.to(DEVICE, torch.float32)


def relative(found: Tensor, expected: Tensor) -> float:
    """The norm of the difference as a share of the norm of `expected`."""
    return float((found.detach().cpu().double() - expected.detach()).norm() / expected.detach().norm())


def test_float32_has_all_its_digits(is_off_by: OffBy) -> None:
    """No TF32 in a product of matrices, nor in a convolution."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(512, 512, generator=generator, dtype=torch.float64) for _ in range(2))
    image, kernel = a.view(1, 64, 64, 64), b.view(64, 64, 8, 8)[:, :, :7, :7]
    convolve = torch.nn.functional.conv2d
    is_off_by("512 x 512", "product", relative(on_device(a) @ on_device(b), a @ b), 1e-5)
    found = convolve(on_device(image), on_device(kernel), padding=3)
    is_off_by("64 maps, 7x7", "convolution", relative(found, convolve(image, kernel, padding=3)), 1e-5)


@different_networks
def test_initialisation(is_off_by: OffBy, task: str, name: str) -> None:
    model = fresh_model(name, task)
    expected, found = exact(model), model.to(DEVICE)
    x = random_images(model.data, 16, seed=2)
    for one, images in ((expected, x), (found, on_device(x))):
        with SameDraws(3):
            one.initialise(images)

    def fitted(one: VAE) -> Tensor:
        chosen = [p for n, p in one.named_parameters() if n.endswith((".scale", ".bias"))]
        return torch.cat([parameter.detach().flatten() for parameter in chosen])

    is_off_by(f"{name} {task}", "initialisation", relative(fitted(found), fitted(expected)), INITIAL)


@every_case
def test_training_step(is_off_by: OffBy, task: str, name: str) -> None:
    """Loss, its terms and the gradient of every parameter; dropout drops the same."""
    case, found = f"{name} {task}", make_model(name, task).train()
    expected = exact(found).train()
    x = random_images(found.data, 16, seed=4)
    losses = []
    for one, images in ((expected, x), (found, on_device(x))):
        with SameDraws(5) as draws:
            losses.append(one.loss(images))
        assert draws.count >= 1
        losses[-1].total.backward()
    terms = {"total": losses[0].total, **losses[0].terms}, {"total": losses[1].total, **losses[1].terms}
    difference = max(relative(terms[1][term], terms[0][term]) for term in terms[0])
    is_off_by(case, "loss", difference, LOSS)

    pairs = [(a.grad, b.grad) for a, b in zip(found.parameters(), expected.parameters(), strict=True)]
    whole = torch.cat([b.flatten() for _, b in pairs])
    is_off_by(case, "gradient", relative(torch.cat([a.flatten() for a, _ in pairs]), whole), GRADIENT)
    large = [(a, b) for a, b in pairs if b.norm() > 1e-3 * whole.norm()]
    assert len(large) > len(pairs) // 10
    is_off_by(case, "gradient of one parameter", max(relative(a, b) for a, b in large), ONE_GRADIENT)


@every_case
def test_a_shard_of_the_nll(is_off_by: OffBy, task: str, name: str) -> None:
    case, found = f"{name} {task}", make_model(name, task)
    settings: DensitySettings = shipped_task(task).protocol("paper").density
    settings = settings.model_copy(update={"importance_samples": 16, "samples_per_chunk": 8})
    x = random_images(found.data, 4, seed=6)
    scores = []
    for one, images in ((exact(found), x), (found, on_device(x))):
        with SameDraws(7):
            scores.append(score_shard(one, images, settings, seed=0, shard=0))
    expected, here = scores

    def worst(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.abs(a / b - 1).max())

    nll = max(worst(here.nll_by_samples[k], expected.nll_by_samples[k]) for k in (1, 4, 16))
    is_off_by(case, "NLL", nll, NLL)
    is_off_by(case, "KL", worst(here.kl, expected.kl), KL)
    size = worst(here.effective_sample_size, expected.effective_sample_size)
    is_off_by(case, "effective sample size", size, EFFECTIVE_SAMPLE_SIZE)


@every_case
def test_posterior(is_off_by: OffBy, task: str, name: str) -> None:
    case, found = f"{name} {task}", make_model(name, task).eval()
    x = random_images(found.data, 16, seed=8)
    with torch.no_grad():
        expected, here = exact(found).posterior(x), found.posterior(on_device(x))
    mean = (here.mean.cpu() - expected.mean).abs().max() / expected.mean.abs().max()
    log_variance = (here.log_variance.cpu() - expected.log_variance).abs().max()
    is_off_by(case, "posterior mean", float(mean), POSTERIOR)
    is_off_by(case, "posterior log-variance", float(log_variance), POSTERIOR)
