"""The memory that a likelihood takes does not grow with its number of importance samples."""

import weakref
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mae_bench.adapter import DataSpec
from mae_bench.metrics.density import evaluate_density
from mae_bench.metrics.settings import DensitySettings
from mae_bench.planning.registry import build_adapter, resolve_models


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that operations within it have made and nothing has freed; `peak` is the most."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, operation: Any, types: Any, arguments: Any = (), options: Any = None) -> Any:
        result = operation(*arguments, **(options or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self._note(tensor.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        identity, size = storage._cdata, storage.nbytes()
        if identity in self._known:
            return
        self._known.add(identity)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, identity, size)

    def _forget(self, identity: int, size: int) -> None:
        self._known.remove(identity)
        self.live -= size


class Bits:
    """Four test images of 8x8."""

    def __len__(self) -> int:
        return 4

    def batch(self, indices: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        return (torch.arange(len(indices) * 64) % 3 == 0).float().view(-1, 1, 8, 8)


def test_live_bytes_are_those_of_the_tensors_that_live():
    with LiveBytes() as memory:
        kept = torch.zeros(1000)
        view = kept.view(10, 100)
        for _ in range(3):
            kept + 1  # freed at once
        assert memory.live == 4000
        del kept
        assert memory.live == 4000  # the view holds on to it
        del view
    assert memory.live == 0
    assert memory.peak == 8000


def peak_bytes(model: str, samples: int, samples_per_chunk: int) -> int:
    [reference] = resolve_models(model)
    adapter = build_adapter(reference, DataSpec((1, 8, 8), "bernoulli", 100, 10), "smoke")
    settings = DensitySettings(
        importance_samples=samples, images_per_shard=2, samples_per_chunk=samples_per_chunk, test_images="all"
    )
    with LiveBytes() as memory:
        evaluate_density(adapter, Bits(), settings, task_seed=0, seed=0, progress=lambda *_: None)
    return memory.peak


@pytest.mark.parametrize("model", ["mae", "resnet_vae"])
def test_memory_does_not_grow_with_samples(model):
    # What is added from 64 to 1024 samples are the sums of two more sample sizes, 8 bytes an image each.
    few, many = (peak_bytes(model, samples, 64) for samples in (64, 1024))
    assert few <= many < few + 1024


@pytest.mark.parametrize("model", ["mae", "resnet_vae"])
def test_memory_would_grow_without_chunks(model):
    few, many = (peak_bytes(model, samples, samples) for samples in (64, 1024))
    assert many > 1.5 * few
