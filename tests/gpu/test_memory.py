"""An evaluation on a GPU whose memory ends goes on with fewer rows at once, and finds the same NLL."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from mae_bench.metrics.density import ShardScores, score_shard
from mae_bench.nn.parallel import LEAST_ROWS
from mae_bench.vae import VAE
from tests.gpu.subject import DEVICE, ON_GPU, make_model, random_images, shipped_task

MEBIBYTE = 2**20
NLL = {"rtol": 1e-6, "atol": 1e-3}
"""Nats an image: another number of rows may take another convolution, which rounds otherwise."""


def score(model: VAE, task: str) -> ShardScores:
    """One chunk of a shard at preset paper: its rows, at once if there is memory for them."""
    settings = shipped_task(task).protocol("paper").density
    settings = settings.model_copy(update={"importance_samples": settings.samples_per_chunk})
    x = random_images(model.data, settings.images_per_shard, seed=1).to(DEVICE, torch.float32)
    return score_shard(model, x, settings, seed=0, shard=0)


def rows_of(task: str) -> int:
    settings = shipped_task(task).protocol("paper").density
    return settings.images_per_shard * settings.samples_per_chunk


def reserved(model: VAE, task: str, rows: int) -> int:
    """Bytes that torch takes from the GPU at most, with so many rows at once."""
    model._rows_at_once = rows
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(DEVICE)
    score(model, task)
    return torch.cuda.max_memory_reserved(DEVICE)


@contextmanager
def limited_to(byte_count: int) -> Iterator[None]:
    """This process may take so much of the GPU."""
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info(DEVICE)
    place = torch.cuda.current_device()  # torch asks for its number
    torch.cuda.set_per_process_memory_fraction(byte_count / total, place)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, place)


@contextmanager
def pretended_limit(model: VAE, rows: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """On a CPU: the decoder says that there is no memory for more rows, of the few that it is given at once there."""
    decode = model.decoder.log_likelihood

    def refuse(x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        if len(x) > rows:
            raise torch.OutOfMemoryError("pretended")
        return decode(x, z)

    with monkeypatch.context() as patch:
        patch.setattr(model.decoder, "log_likelihood", refuse)
        yield


@pytest.mark.parametrize("task", ["mnist", "cifar10"])
@pytest.mark.parametrize("name", ["mae", "resnet_vae"])
def test_the_nll_is_the_same_with_less_memory(
    monkeypatch: pytest.MonkeyPatch, figure: Callable[..., None], name: str, task: str
) -> None:
    model, rows = make_model(name, task), rows_of(task)
    expected = score(model, task)
    limited = make_model(name, task)
    if ON_GPU:
        whole, quarter = reserved(model, task, rows), reserved(model, task, rows // 4)
        del model
        limit = limited_to((whole + quarter) // 2)
        figure(f"memory of {rows} rows, {name} {task}", f"{whole / MEBIBYTE:.0f} MiB", "what torch reserved")
        figure(f"the same a quarter at a time, {name} {task}", f"{quarter / MEBIBYTE:.0f} MiB", "what torch reserved")
        assert quarter < 0.9 * whole, "the decoder's rows do not decide the memory: nothing can be tested"
    else:
        limit = pretended_limit(limited, LEAST_ROWS // 2, monkeypatch)
    with limit:
        found = score(limited, task)
    assert limited._rows_at_once < rows, "memory did not run out: nothing was tested"
    np.testing.assert_allclose(found.nll_by_samples[1], expected.nll_by_samples[1], **NLL)
    np.testing.assert_allclose(found.kl, expected.kl, rtol=1e-5)


@pytest.mark.skipif(not ON_GPU, reason="only a GPU's memory ends so")
def test_a_training_batch_without_memory_is_an_error() -> None:
    """Its size is part of the protocol. Afterwards the GPU is as usable as before."""
    model = make_model("mae", "mnist")
    x = random_images(model.data, 100, seed=1).to(DEVICE, torch.float32)
    room = torch.cuda.memory_allocated(DEVICE) + 64 * MEBIBYTE
    with limited_to(room), pytest.raises(RuntimeError, match=r"memory|engine|ALLOC"):
        model.loss(x).total.backward()
    assert model.loss(x).total.isfinite()
