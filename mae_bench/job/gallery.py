"""What trained models answer for pictures: reconstructions, samples and representations. Draws nothing."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mae_bench.adapter import Adapter, NotSupported
from mae_bench.data import load_data
from mae_bench.data.arrays import Labels
from mae_bench.foundation.errors import MaeBenchError, describe
from mae_bench.foundation.seeding import derive_seed
from mae_bench.foundation.text import quoted
from mae_bench.job.isolation import isolated
from mae_bench.job.trained import find_model, load_model
from mae_bench.metrics.answers import IMAGES_PER_BATCH, ask_representation, seeded
from mae_bench.planning.adapter_code import source_file
from mae_bench.planning.plan import Job
from mae_bench.planning.registry import load_adapter_class
from mae_bench.planning.task import Task
from mae_bench.records.schema import Record

Array = NDArray[np.float32]


class Gallery:
    """The trained models of one task at one preset, and its test images; DataError if these are missing or damaged.

    Every model is asked with the same random state, drawn from the task's seed. MaeBenchError, which names the
    reason, if its code or its weights are not those of its record, or if it does not answer.
    """

    def __init__(self, task: Task, preset: str, model_files: Sequence[Path | str], device: str) -> None:
        self.task, self.preset = task, preset
        self._model_files, self._device = model_files, torch.device(device)
        self.data = load_data(task, self._device, preset=preset)

    @property
    def test_labels(self) -> Labels:
        """The classes of the test images: int64 [N], in their order."""
        return self.data.test_labels

    def originals(self, indices: NDArray[np.int64]) -> Array:
        """The test images `indices` [N] as the probes see them: float32 [N, C, H, W] in [0, 1]."""
        array: Array = self._images(indices).cpu().numpy()
        return array

    def reconstructions(self, record: Record, weights: Path, indices: NDArray[np.int64]) -> Array:
        """What the model makes of those test images: float32 [N, C, H, W] in [0, 1]."""
        x = self._images(indices)
        return self._ask(record, weights, lambda adapter: _pictures(adapter.reconstruct(x), adapter, x.shape))

    def samples(self, record: Record, weights: Path, count: int) -> Array:
        """The first `count` images that the model draws: float32 [count, C, H, W] in [0, 1]."""
        shape = (count, *self.data.spec.shape)
        return self._ask(record, weights, lambda adapter: _pictures(adapter.sample(count), adapter, shape))

    def representations(self, record: Record, weights: Path, indices: NDArray[np.int64]) -> Array:
        """What the probes see of those test images: float32 [N, D]."""
        batches = np.split(indices, range(IMAGES_PER_BATCH, len(indices), IMAGES_PER_BATCH))
        return self._ask(
            record,
            weights,
            lambda adapter: np.concatenate([ask_representation(adapter, self._images(batch)) for batch in batches]),
        )

    def _images(self, indices: NDArray[np.int64]) -> Tensor:
        return self.data.test.thresholded(torch.from_numpy(indices))

    def _ask(self, record: Record, weights: Path, question: Callable[[Adapter], Array]) -> Array:
        job = Job(find_model(record, self._model_files), self.task, self.preset, record.seed)
        adapter_class = load_adapter_class(job.model.code, job.model.code_hash)
        try:
            with isolated(adapter_class, self._device):
                adapter = load_model(job, weights, self._device).adapter
                deterministic = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
                with torch.no_grad(), seeded(derive_seed(self.task.seed, "figures"), self._device), deterministic:
                    return question(adapter)
        except NotSupported as error:
            raise MaeBenchError(str(error)) from error
        except MaeBenchError:
            raise
        except Exception as error:
            reason = quoted(describe(error, source_file(adapter_class)))
            raise MaeBenchError(f"it does not answer ({reason}); correct the adapter.") from error


def _pictures(answer: object, adapter: Adapter, shape: Sequence[int]) -> Array:
    """`answer` as an array; MaeBenchError unless it is a tensor of `shape` with values in [0, 1]."""
    if isinstance(answer, Tensor) and answer.shape == torch.Size(shape) and bool(((answer >= 0) & (answer <= 1)).all()):
        array: Array = answer.detach().cpu().float().numpy()
        return array
    raise MaeBenchError(
        f"{type(adapter).__name__} answers with something else than images {list(shape)} with values in [0, 1]; "
        "correct the adapter."
    )
