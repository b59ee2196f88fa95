"""Jobs are strangers to each other: the context in which the code of a model runs.

It joins what the floors below know: settings of the process (`foundation.process`), path and modules
(`planning.surroundings`), random states and the number of threads.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mae_bench.adapter import Adapter
from mae_bench.foundation.process import kept_apart
from mae_bench.planning.adapter_code import surroundings_of


@contextmanager
def isolated(
    adapter_class: type[Adapter] | None = None, device: torch.device | str = "cpu", threads: int | None = None
) -> Iterator[None]:
    """Within it the code of `adapter_class` may run: it finds the harness's own settings and what lies around its file.

    Afterwards everything that was set or drawn is as before: settings of the process, working directory, path, modules,
    random states of the CPU and of `device`, number of threads. Without a class it is for a whole job, whose code runs
    in contexts within. threads: how many torch has, or as many as there are processors if that is fewer; it decides the
    last bits of sums. Entered again for the same class, it changes nothing. SystemExit leaves it as an exception like
    others (`mae_bench.foundation.errors.Escape`).
    """
    surroundings = None if adapter_class is None else surroundings_of(adapter_class)
    if surroundings and surroundings.in_place:
        with surroundings.entered():
            yield
        return
    cuda = [device] if torch.device(device).type == "cuda" else []
    with surroundings.entered() if surroundings else kept_apart(), torch.random.fork_rng(devices=cuda):
        if threads is not None:
            use_threads(max(1, min(threads, os.cpu_count() or 1)))
        yield


def use_threads(count: int) -> None:
    """Have torch compute with `count` threads; to say so again would change how MKL shares out its own."""
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)
