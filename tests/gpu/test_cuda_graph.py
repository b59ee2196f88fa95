"""Training steps recorded as CUDA graphs and replayed: those of a training without, and models that cannot be."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mae_bench.adapter import Loss
from mae_bench.data.images import ByteImages
from mae_bench.foundation.errors import TrainingError
from mae_bench.job.settings import JobSettings
from mae_bench.job.training_context import TrainingContext
from mae_bench.vae import VAE
from tests.gpu.subject import DEVICE, MODELS, ON_GPU, make_model, random_levels, shipped_task

pytestmark = pytest.mark.skipif(not ON_GPU, reason="only a GPU records CUDA graphs")
STEPS, BATCH = 12, 20
LOSS = 1e-3
"""Relative, of the mean loss of an epoch: on a GPU some sums have no fixed order, and Adam passes that on."""
BFLOAT16 = 1e-2
"""The same where every product is rounded to 8 bits."""


def images(model: VAE, count: int, fixed: bool) -> ByteImages:
    levels = random_levels(model.data, count, seed=7).to(DEVICE)
    bits = levels > 127 if fixed and model.data.likelihood == "bernoulli" else None
    return ByteImages(levels, 255, model.data.likelihood, bits)


def train(model: VAE, task: str, folder: Path, **settings: object) -> TrainingContext:
    """Three epochs; the rate is halved after an epoch without gain, and falls quickly."""
    training = (
        shipped_task(task)
        .protocol("paper")
        .training.model_copy(
            update={"batch_size": BATCH, "learning_rate_decay": 0.95, "patience": 1, "halvings": 9, "max_epochs": 3}
        )
    )
    context = TrainingContext(
        training,
        seed=0,
        device=DEVICE,
        checkpoint_directory=folder,
        progress=lambda *_: None,
        job_settings=JobSettings(**settings),  # type: ignore[arg-type]
    )
    context.train(model, images(model, STEPS * BATCH, False), images(model, 2 * BATCH, True))
    return context


def losses(context: TrainingContext) -> Tensor:
    return torch.tensor(
        [[epoch["train"]["loss"], epoch["validation_negative_elbo"]] for epoch in context.trainings[0].curve]
    )


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(("task", "name"), [*(("mnist", name) for name in MODELS), ("cifar10", "mae")])
def test_a_replay_is_the_step(
    tmp_path: Path, figure: Callable[..., None], task: str, name: str, precision: str
) -> None:
    """The same batches, draws and rates."""
    plain, replayed = (
        train(make_model(name, task), task, tmp_path / str(graph), matrix_precision=precision, cuda_graph=graph)
        for graph in (False, True)
    )
    expected, found = losses(plain), losses(replayed)
    off = float((found / expected - 1).abs().max())
    figure(f"loss of {name}, {task}, {precision}, replayed", f"{off:.1e}", "off the same without a graph, relative")
    assert off <= (LOSS if precision == "float32" else BFLOAT16)
    assert (expected[0] - expected[-1])[0] > 10 * LOSS * expected[0, 0], "it learned nothing that could differ"


def test_a_training_goes_on_with_a_graph_and_without(tmp_path: Path) -> None:
    """Cut short after one step, whichever way it then goes on."""
    expected = losses(train(make_model("mae", "mnist"), "mnist", tmp_path / "whole"))
    for first, second in ((True, False), (False, True)):
        folder = tmp_path / f"{first}"
        train(make_model("mae", "mnist"), "mnist", folder, cuda_graph=first, max_minutes=1e-9)
        found = losses(train(make_model("mae", "mnist"), "mnist", folder, cuda_graph=second))
        assert float((found / expected - 1).abs().max()) <= LOSS


def test_a_model_that_counts_in_python(tmp_path: Path) -> None:
    model = make_model("resnet_vae", "mnist")
    ask = model.loss

    def loss(x: Tensor) -> Loss:
        model.calls = getattr(model, "calls", 0) + 1  # type: ignore[assignment]
        return ask(x)

    model.loss = loss  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="changes calls at each step in Python"):
        train(model, "mnist", tmp_path, cuda_graph=True)


def test_a_model_that_reads_from_the_device(tmp_path: Path) -> None:
    model = make_model("resnet_vae", "mnist")
    ask = model.loss

    def loss(x: Tensor) -> Loss:
        assert float(x.mean()) < 2  # waits for the device
        return ask(x)

    model.loss = loss  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="cannot be recorded as a CUDA graph"):
        train(model, "mnist", tmp_path, cuda_graph=True)
    assert torch.ones(2, device=DEVICE).sum() == 2, "the GPU is usable afterwards"


def test_a_model_that_does_something_else_at_each_step(tmp_path: Path) -> None:
    """Hidden from what can be seen of its attributes; the loss of a replay shows it."""
    model = make_model("resnet_vae", "mnist")
    ask, calls = model.loss, [0]

    def loss(x: Tensor) -> Loss:
        calls[0] += 1
        answer = ask(x)
        return Loss(answer.total * calls[0], answer.terms)

    model.loss = loss  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="does not do the same at each step"):
        train(model, "mnist", tmp_path, cuda_graph=True)
