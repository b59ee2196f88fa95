"""A pass over many rows in parts. On a CPU each part fits the caches and is computed on one core, beside the others.

With all cores on one part at a time, each would wait for the slowest at the end of every operation.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch
from torch import Tensor

ACTIVATIONS = 16 * 28 * 28 * 64
"""The most numbers in the largest activation of a part on a CPU; 3 MB in float32."""
LEAST_ROWS = 16
"""The fewest rows of a part on a CPU: with fewer images torch convolves slowly on a single thread."""


def in_parts(
    function: Callable[..., Tensor], tensors: tuple[Tensor, ...], *, activations: int, most_rows: int
) -> Tensor:
    """function(*tensors), [N], computed in parts of at most `most_rows` rows; tensors: [N, ...] each.

    function: gives each row a value that depends on that row alone; on a CPU without gradients several threads call it
    at once. activations: how many numbers its largest activation has for one row.
    """
    rows = len(tensors[0])
    parts, threads = -(-rows // most_rows), 1
    if tensors[0].device.type == "cpu" and not torch.is_grad_enabled():
        threads = torch.get_num_threads()
        wanted = -(-rows * activations // ACTIVATIONS)
        parts = max(parts, min(-(-wanted // threads) * threads, rows // LEAST_ROWS))
    if parts == 1:
        return function(*tensors)
    split = [torch.tensor_split(tensor, parts) for tensor in tensors]
    if threads == 1:
        return torch.cat(list(map(function, *split)))
    return torch.cat(list(_single_threads(threads).map(torch.no_grad()(function), *split)))


@cache
def _single_threads(count: int) -> ThreadPoolExecutor:
    """Threads that each compute torch's operations on one core; they live as long as the process."""
    started = threading.Barrier(count + 1)

    def start() -> None:
        torch.get_num_threads()  # otherwise the first operation would set the number that all threads begin with
        torch.set_num_threads(1)
        started.wait()

    pool = ThreadPoolExecutor(count, "part", start)
    for _ in range(count):
        pool.submit(int)  # each starts a thread, since none is free before all have started
    started.wait()
    torch.set_num_threads(count)  # as it was here; for threads yet to come, `start` has changed it
    return pool
