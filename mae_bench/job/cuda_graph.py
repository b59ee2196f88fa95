"""A training step on a GPU, recorded once as a CUDA graph and replayed: one call in place of thousands.

A replay runs the recorded kernels on the tensors of the recording, so that the host, which otherwise takes longer to
ask for the small kernels of a step than a GPU to run them, does nothing between. Random draws go on from replay to
replay as in steps that are not recorded. What the model's Python code did at the recording is not done again; hence
the checks here.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mae_bench.adapter import Adapter, Loss
from mae_bench.foundation.errors import TrainingError, UsageError, describe

WARM_UP = 3
"""Steps before the recording, in which libraries and optimiser make what they keep."""
SAME = 1e-2
"""By how much, relative to one, the loss of a replay may differ from the same loss asked for anew, in bfloat16 too."""
_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def check_cuda_graph(device: torch.device, *, compiled: bool) -> None:
    """UsageError if steps cannot be recorded on `device`, or are to be compiled as well."""
    if device.type != "cuda":
        raise UsageError(f"--cuda-graph records steps on a GPU, and the device is {device}; leave it out.")
    if compiled:
        raise UsageError("--cuda-graph and --compile are two ways to faster steps; give one of them.")


class RecordedStep:
    """`step(x)`, a whole training step, for batches x of one size: run as it is at first, then recorded, then replayed.

    step: changes no tensors but those that it changes at every call. loss: the part of it that asks the model.
    """

    def __init__(self, adapter: Adapter, step: Callable[[Tensor], Loss], loss: Callable[[Tensor], Loss]) -> None:
        self._adapter, self._step, self._loss = adapter, step, loss
        self._taken = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._stream = torch.cuda.Stream()

    def __call__(self, x: Tensor, *, check: bool) -> Loss:
        """The loss of a step on x; its tensors are the caller's. check: compare the replay with the model's loss.

        TrainingError if the step cannot be recorded, or does something else when it is not.
        """
        self._taken += 1
        if self._taken <= WARM_UP:
            return self._run(x)
        if self._graph is None:
            self._record(x)
        return self._replay(x, check)

    def _run(self, x: Tensor) -> Loss:
        """As it is, on a stream of its own, since a recording may not wait for the usual one."""
        before = plain_state(self._adapter)
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            loss = self._step(x)
        torch.cuda.current_stream().wait_stream(self._stream)
        after = plain_state(self._adapter)
        if changed := sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name)):
            raise TrainingError(
                f"the step cannot be replayed: the model changes {', '.join(changed)} at each step in Python, which a "
                "CUDA graph does not repeat; keep it in a buffer, or train without --cuda-graph."
            )
        return loss

    def _record(self, x: Tensor) -> None:
        self._x, self._graph = x.clone(), torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(self._graph, stream=self._stream):
                self._recorded = _detached(self._step(self._x))
        except RuntimeError as error:
            raise TrainingError(
                f"the step cannot be recorded as a CUDA graph ({describe(error)}); train without --cuda-graph."
            ) from error

    def _replay(self, x: Tensor, check: bool) -> Loss:
        assert self._graph is not None
        expected = self._loss_as_it_is(x) if check else None
        self._x.copy_(x)
        self._graph.replay()
        total, terms = self._recorded.total.clone(), self._recorded.terms
        if expected is not None and not abs(float(total) - expected) <= SAME * max(1.0, abs(expected)):
            raise TrainingError(
                f"the replayed step has loss {float(total):.6g} where the model's is {expected:.6g}: its code does not "
                "do the same at each step; train without --cuda-graph."
            )
        return Loss(total, {name: term.clone() for name, term in terms.items()})

    @torch.no_grad()
    def _loss_as_it_is(self, x: Tensor) -> float:
        """What the model's loss is for the next step, which finds buffers and torch's random states as if unasked."""
        buffers = [(buffer, buffer.clone()) for buffer in self._adapter.buffers()]
        with torch.random.fork_rng(devices=[x.device]):
            value = float(self._loss(x).total)
        for buffer, saved in buffers:
            buffer.copy_(saved)
        return value


def _detached(loss: Loss) -> Loss:
    """Without what gradients need: it would keep nodes alive that belong to the stream of the recording."""
    return Loss(loss.total.detach(), {name: term.detach() for name, term in loss.terms.items()})


def plain_state(adapter: Adapter) -> dict[str, Any]:
    """The numbers and words among the attributes of `adapter` and its modules, by name."""
    return {
        f"{path}.{name}".lstrip("."): value
        for path, module in adapter.named_modules()
        for name, value in vars(module).items()
        if isinstance(value, _PLAIN)
    }
