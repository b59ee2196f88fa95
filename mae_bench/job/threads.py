"""How many threads torch computes with: it decides the last bits of sums."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def own_threads(count: int | None = None) -> Iterator[None]:
    """Within it torch has `count` threads, or as many as there are processors if that is fewer; None changes nothing.

    What was set before comes back afterwards, whatever is set within: a resumed job takes the threads it began with.
    """
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(max(1, min(count, os.cpu_count() or 1)))
    try:
        yield
    finally:
        torch.set_num_threads(before)
