"""The same random numbers on every device and in every precision, so that two answers can be compared one by one."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode


class SameDraws(TorchFunctionMode):
    """Within, what the baselines draw comes from one generator on the CPU, in float32, in the order of asking."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(seed)
        self.count = 0
        """How often something was drawn."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.randn:
            self.count += 1
            return torch.randn(*args, generator=self.generator).to(kwargs["device"], kwargs["dtype"])
        if func is torch.rand_like:
            return self._uniform(args[0])
        if func is torch.bernoulli:
            return (self._uniform(args[0]) < args[0]).to(args[0].dtype)
        if func is F.dropout:
            return self._dropout(*args, **kwargs)
        return func(*args, **kwargs)

    def _dropout(self, x: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
        return x * (self._uniform(x) >= p) / (1 - p) if training else x

    def _uniform(self, like: Tensor) -> Tensor:
        self.count += 1
        return torch.rand(like.shape, generator=self.generator).to(like.device, like.dtype)
