"""What trained models answer for pictures: reconstructions, samples and representations; the pictures of a record."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.overrides import TorchFunctionMode

from mae_bench.adapter import Adapter, NotSupported
from mae_bench.data import DataSet, load_data
from mae_bench.data.arrays import Labels
from mae_bench.foundation.errors import MaeBenchError, describe
from mae_bench.foundation.seeding import derive_seed
from mae_bench.foundation.text import quoted
from mae_bench.job.isolation import isolated
from mae_bench.job.trained import find_model, load_model, training_job
from mae_bench.metrics.answers import IMAGES_PER_BATCH, ask_representation, seeded
from mae_bench.planning.adapter_code import source_file
from mae_bench.planning.plan import Job
from mae_bench.planning.registry import load_adapter_class
from mae_bench.planning.task import Task
from mae_bench.records.pictures import KINDS, LINE, draw_sheet
from mae_bench.records.schema import Record

Array = NDArray[np.float32]
T = TypeVar("T")
SIDES = (4, 8)
"""A picture has so many images each way: four, or eight if there is time."""
MOST_PIXELS = 256
"""Of a picture each way, so that one of large images has fewer of them."""
LARGEST_IMAGE = 500
"""Pixels each way of the largest images that two fit a picture."""
SHARE, LEAST_SECONDS, MOST_SECONDS = 0.05, 3.0, 120.0
"""Of its job's time, the seconds that a picture may take, and the bounds of that."""


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
        job = recorded_job(record, self.task, self._model_files)
        adapter_class = load_adapter_class(job.model.code, job.model.code_hash)
        with _in_a_sentence(adapter_class), isolated(adapter_class, self._device):
            return _answer(load_model(job, weights, self._device).adapter, job, self._device, question)


def recorded_job(record: Record, task: Task, model_files: Sequence[Path | str]) -> Job:
    """The job of `record` on its own task. RecordError if its code is not here, as `find_model` says."""
    model = find_model(record, model_files)
    return Job(model, task, record.preset, record.seed, training_job(record, model) if record.trained else None)


def draw_pictures(job: Job, weights: Path, device: str, seconds: float) -> dict[str, bytes | str]:
    """The pictures that lie beside the record of `job`: by kind a PNG, or a sentence about why there is none.

    Samples are the first images that the model draws; reconstructions stand at the right of the first test images. The
    random state is that of `Gallery`. seconds: that a picture may take. A model that draws pixel by pixel may need
    minutes, so it is asked for `SIDES[0]` images each way, and for `SIDES[1]` if the time seems to suffice.
    MaeBenchError if data, code or weights are missing or others, or the model cannot be built.
    """
    target = torch.device(device)
    adapter_class = load_adapter_class(job.model.code, job.model.code_hash)
    data = load_data(job.task, target, preset=job.preset)
    channels, *size = data.spec.shape
    if channels not in (1, 3) or max(size) > LARGEST_IMAGE:
        return dict.fromkeys(KINDS, f"images of {channels} channels and {size[0]}x{size[1]} pixels have no pictures.")
    most = min(SIDES[1], max(1, MOST_PIXELS // max(size)))
    found: dict[str, bytes | str] = {}
    with _in_a_sentence(adapter_class), isolated(adapter_class, target):
        adapter = load_model(job, weights, target).adapter
        for kind, (answer_rows, gap) in _PICTURES.items():
            deadline = _Deadline(seconds)
            for side in sorted({min(SIDES[0], most), most}):
                if kind in found and deadline.spent * (1 + side**2 / SIDES[0] ** 2) > seconds:
                    break
                try:
                    with _in_a_sentence(adapter_class), isolated(adapter_class, target):
                        rows = _answer(adapter, job, target, partial(answer_rows, data=data, side=side), deadline)
                except MaeBenchError as error:
                    found.setdefault(kind, str(error))
                    break
                found[kind] = draw_sheet([(255 * row).round().astype(np.uint8) for row in rows], gap)
    return found


def seconds_for_pictures(record: Record) -> float:
    """How long each picture of the record's model may take: a twentieth of its job's time, within bounds."""
    spent = record.clocks.training_seconds + record.clocks.evaluation_seconds
    return min(max(SHARE * spent, LEAST_SECONDS), MOST_SECONDS)


def _sampled(adapter: Adapter, data: DataSet, side: int) -> list[Array]:
    """`side` rows of as many samples: [side, C, H, W] each."""
    count = side**2
    return np.split(_pictures(adapter.sample(count), adapter, (count, *data.spec.shape)), side)


def _reconstructed(adapter: Adapter, data: DataSet, side: int) -> list[Array]:
    """Rows of half as many of the first test images, a grey line and what the model makes of each: [N, C, H, 2W + 1]"""
    pairs = min(max(1, side // 2), len(data.test))
    rows = min(side, len(data.test) // pairs)
    x = data.test.thresholded(torch.arange(rows * pairs))
    originals, answers = x.cpu().numpy(), _pictures(adapter.reconstruct(x), adapter, x.shape)
    line = np.full((*x.shape[:-1], 1), LINE / 255, dtype=np.float32)
    return np.split(np.concatenate([originals, line, answers], axis=-1), rows)


_PICTURES: Mapping[str, tuple[Callable[..., list[Array]], int]] = {
    "samples": (_sampled, 1),
    "reconstructions": (_reconstructed, 4),
}
"""What each picture of a record shows, row by row, and the pixels between its columns."""


class _Deadline(TorchFunctionMode):
    """Within it a call of torch raises MaeBenchError once the seconds since it was made are over."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds, self._start = seconds, time.monotonic()

    @property
    def spent(self) -> float:
        """The seconds since it was made."""
        return time.monotonic() - self._start

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if self.spent > self._seconds:
            raise MaeBenchError(f"it takes more than {self._seconds:.3g} s to answer; ask it where it is faster.")
        return func(*args, **(kwargs or {}))


@contextmanager
def _in_a_sentence(adapter_class: type[Adapter]) -> Iterator[None]:
    """Whatever is raised within it, but an interruption, is a MaeBenchError."""
    try:
        yield
    except NotSupported as error:
        raise MaeBenchError(str(error)) from error
    except MaeBenchError:
        raise
    except Exception as error:
        reason = quoted(describe(error, source_file(adapter_class)))
        raise MaeBenchError(f"it does not answer ({reason}); correct the adapter.") from error


def _answer(
    adapter: Adapter,
    job: Job,
    device: torch.device,
    question: Callable[[Adapter], T],
    deadline: "_Deadline | None" = None,
) -> T:
    """What the model answers, under the one random state of all models of the task."""
    deterministic = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
    with (
        torch.no_grad(),
        seeded(derive_seed(job.task.seed, "figures"), device),
        deterministic,
        deadline or nullcontext(),
    ):
        return question(adapter)


def _pictures(answer: object, adapter: Adapter, shape: Sequence[int]) -> Array:
    """`answer` as an array; MaeBenchError unless it is a tensor of `shape` with values in [0, 1]."""
    if isinstance(answer, Tensor) and answer.shape == torch.Size(shape) and bool(((answer >= 0) & (answer <= 1)).all()):
        array: Array = answer.detach().cpu().float().numpy()
        return array
    raise MaeBenchError(
        f"{type(adapter).__name__} answers with something else than images {list(shape)} with values in [0, 1]; "
        "correct the adapter."
    )
