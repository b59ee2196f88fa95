"""The plain networks in a process of their own, as a plain program would run them.

What the package sets for a whole process, how memory is allocated above all, must not make them faster or slower too.
"""

import multiprocessing
from multiprocessing.connection import Connection
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.reference import PlainMAE

Array = NDArray[np.float32]


class PlainProcess:
    """Times the calls of a `PlainMAE` with the given parameters on `device`, with as many threads as are used here."""

    def __init__(self, parameters: dict[str, torch.Tensor], device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        arrays = {name: parameter.cpu().numpy() for name, parameter in parameters.items()}
        self._process = context.Process(target=_serve, args=(there, arrays, device, torch.get_num_threads()))

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.terminate()
        self._process.join()

    def seconds(self, name: str, x: torch.Tensor, *arguments: int) -> float:
        """What the method of `_Calls` of that name takes for the tensor x."""
        self._here.send((name, x.cpu().numpy(), arguments))
        seconds: float = self._here.recv()
        return seconds


class _Calls:
    """What can be timed."""

    def __init__(self, arrays: dict[str, Array], device: str) -> None:
        self.model = PlainMAE()
        self.model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
        self.model.to(device)
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=1e-5, fused=True)

    def nll(self, x: torch.Tensor, samples: int) -> None:
        self.model.nll(x, samples)

    def training_step(self, x: torch.Tensor) -> None:
        self.optimiser.zero_grad()
        self.model.loss(x).backward()
        self.optimiser.step()

    def sample(self, z: torch.Tensor, passes: int) -> None:
        self.model.sample(z, passes)


def _serve(requests: "Connection[Any, Any]", arrays: dict[str, Array], device: str, threads: int) -> None:
    torch.set_num_threads(threads)
    calls = _Calls(arrays, device)
    while True:
        name, array, arguments = requests.recv()
        x = torch.from_numpy(array).to(device)
        wait_for(device)
        start = perf_counter()
        getattr(calls, name)(x, *arguments)
        wait_for(device)
        requests.send(perf_counter() - start)


def wait_for(device: str) -> None:
    """Until all that was asked of a GPU is done."""
    if device == "cuda":
        torch.cuda.synchronize()
