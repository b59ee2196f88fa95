"""The batches of a `fit` of its own: a DataLoader whose order and bits a job's seed decides, pass by pass."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from mae_bench.adapter import Images
from mae_bench.foundation.seeding import derive_seed, numpy_generator


def make_loader(
    images: Images,
    batch_size: int,
    *,
    seed: int,
    device: torch.device,
    shuffle: bool,
    first_pass: int,
    before_pass: Callable[[int], None] | None,
    before_batch: Callable[[], None],
) -> DataLoader[Tensor]:
    """Batches x of `images`, float32 [B, C, H, W] on `device`.

    shuffle: in an order and with bits of its own in each pass, counted from `first_pass`, and without an incomplete
    last batch, if there is another; otherwise in the order of `images` and all of them. before_pass, before_batch: are
    called then, the former with the number of the pass.
    """
    dataset = _Batches(images, seed, device, before_batch)
    return DataLoader(
        dataset,
        batch_size,
        sampler=_Passes(dataset, seed, shuffle, first_pass, before_pass),
        drop_last=shuffle and len(images) >= batch_size,
        collate_fn=_as_it_is,
        generator=torch.Generator(),  # of its own, so that no pass draws from the global one
    )


class _Batches(Dataset[Tensor]):
    """Images on the device, asked for by the batch (`__getitems__`) or alone."""

    def __init__(self, images: Images, seed: int, device: torch.device, before_batch: Callable[[], None]) -> None:
        self._images, self._seed, self._device, self._before_batch = images, seed, device, before_batch
        self.begin(0)

    def begin(self, number: int) -> None:
        """Pass `number` has bits of its own."""
        self._generator = torch.Generator(device=self._device)
        self._generator.manual_seed(derive_seed(self._seed, "loader bits", number))

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Tensor:
        return self._batch([index])[0]

    def __getitems__(self, indices: list[int]) -> Tensor:
        self._before_batch()
        return self._batch(indices)

    def _batch(self, indices: list[int]) -> Tensor:
        return self._images.batch(torch.tensor(indices, device=self._device), self._generator)


class _Passes(Sampler[int]):
    """The order of the images in each pass."""

    def __init__(
        self, dataset: _Batches, seed: int, shuffle: bool, first: int, before_pass: Callable[[int], None] | None
    ) -> None:
        self._dataset, self._seed, self._shuffle, self._next = dataset, seed, shuffle, first
        self._before_pass = before_pass

    def __len__(self) -> int:
        return len(self._dataset)

    def __iter__(self) -> Iterator[int]:
        number, self._next = self._next, self._next + 1
        if self._before_pass:
            self._before_pass(number)
        self._dataset.begin(number)
        if not self._shuffle:
            return iter(range(len(self)))
        order: list[int] = numpy_generator(self._seed, "loader order", number).permutation(len(self)).tolist()
        return iter(order)


def _as_it_is(batch: Any) -> Any:
    """The batch, which is whole already."""
    return batch
