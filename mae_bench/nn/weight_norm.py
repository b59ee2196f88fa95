"""Weight normalisation with data-dependent initialisation (Salimans & Kingma, 2016), on every layer of every network.

A layer computes y = operation(x, g v / ||v||) + b, with one norm for each output unit. Masks are applied to v before
the norm, so the norm is that of the live weights alone; a unit without any live weight has the weight 0 and its bias.
In a unit with one live weight, v / ||v|| is a sign: its gradient is 0, and Adam would turn the rounding errors of that
gradient into full steps. There v stays as it was drawn.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DIRECTION_STD = 0.05
"""Standard deviation of v as it is drawn (Salimans & Kingma, 2016, section 3)."""
_SMALLEST_NORM = 1e-12
_SMALLEST_STD = 1e-6


class WeightNormalised(nn.Module):
    """The base: parameters `direction` (v), `scale` (g) and `bias` (b); a subclass supplies the operation.

    shape: the shape of v. output_dim: which dimension of v runs over the output units. mask: broadcastable to v, 1 for
    a live weight. initial_scale: the standard deviation that data-dependent initialisation gives each output unit.
    """

    mask: Tensor | None
    single: Tensor | None

    def __init__(
        self, shape: tuple[int, ...], output_dim: int = 0, mask: Tensor | None = None, initial_scale: float = 1.0
    ) -> None:
        super().__init__()
        self.output_dim = output_dim
        self.initial_scale = initial_scale
        self.initialising = False
        self.folded: Tensor | None = None
        self.direction = nn.Parameter(DIRECTION_STD * torch.randn(shape))
        self.scale = nn.Parameter(torch.full((shape[output_dim],), initial_scale))
        self.bias = nn.Parameter(torch.zeros(shape[output_dim]))
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("single", _units_with_one_weight(self.direction, output_dim, mask), persistent=False)

    def operation(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """The layer's linear map; dimension 1 of the result runs over the output units."""
        raise TypeError(f"{type(self).__name__} supplies no operation")

    def weight(self) -> Tensor:
        """g v / ||v||, masked: the shape of v."""
        v = self.direction if self.single is None else torch.where(self.single, self.direction.detach(), self.direction)
        v = v if self.mask is None else v * self.mask
        others = [dim for dim in range(v.ndim) if dim != self.output_dim]
        # The clamp keeps a fully masked unit at weight 0; its gradient is 0, not NaN.
        norm = torch.linalg.vector_norm(v, dim=others, keepdim=True).clamp_min(_SMALLEST_NORM)
        result: Tensor = v * (self.scale.view(norm.shape) / norm)
        return result

    def forward(self, x: Tensor) -> Tensor:
        if self.initialising:
            self._fit_scale_and_bias(x)
        return self.operation(x, self.weight() if self.folded is None else self.folded, self.bias)

    @torch.no_grad()
    def _fit_scale_and_bias(self, x: Tensor) -> None:
        """Set g and b so that each output unit has mean 0 and standard deviation `initial_scale` over this batch."""
        self.scale.fill_(1.0)
        self.bias.zero_()
        y = self.operation(x, self.weight(), self.bias)
        others = [dim for dim in range(y.ndim) if dim != 1]
        std, mean = torch.std_mean(y, dim=others, correction=0)
        # A unit that does not vary (a fully masked one, a constant input) keeps the plain scale.
        scale = torch.where(std > _SMALLEST_STD, self.initial_scale / std.clamp_min(_SMALLEST_STD), self.initial_scale)
        self.scale.copy_(scale)
        self.bias.copy_(-mean * scale)


def _units_with_one_weight(direction: Tensor, output_dim: int, mask: Tensor | None) -> Tensor | None:
    """True for each output unit with a single live weight, shaped to broadcast with v; None if there is none."""
    live = torch.ones_like(direction) if mask is None else mask.expand(direction.shape)
    others = [dim for dim in range(direction.ndim) if dim != output_dim]
    single = live.detach().sum(others, keepdim=True) == 1
    return single if single.any() else None


@contextmanager
def data_dependent_initialisation(module: nn.Module) -> Iterator[None]:
    """Within, each weight-normalised layer of `module` first sets its scale and bias from its input.

    One forward pass therefore initialises layer by layer, each on the output of layers already initialised.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, WeightNormalised)]
    for layer in layers:
        layer.initialising = True
    try:
        yield
    finally:
        for layer in layers:
            layer.initialising = False


@contextmanager
def folded_weights(module: nn.Module) -> Iterator[None]:
    """Within, each weight-normalised layer of `module` keeps the weight that it has on entry, normalised once.

    For many passes with the same parameters. Gradients reach the parameters through that one weight; a change of
    parameters within is not seen.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, WeightNormalised)]
    for layer in layers:
        layer.folded = layer.weight()
    try:
        yield
    finally:
        for layer in layers:
            layer.folded = None


class Linear(WeightNormalised):
    """[B, inputs] -> [B, outputs]; mask: [outputs, inputs]."""

    def __init__(self, inputs: int, outputs: int, mask: Tensor | None = None, initial_scale: float = 1.0) -> None:
        super().__init__((outputs, inputs), mask=mask, initial_scale=initial_scale)

    def operation(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.linear(x, weight, bias)


class Conv2d(WeightNormalised):
    """[B, inputs, H, W] -> [B, outputs, H', W'], a square kernel of side `kernel`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0) -> None:
        super().__init__((outputs, inputs, kernel, kernel))
        self.stride = stride
        self.padding = padding

    def operation(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.conv2d(x, weight, bias, stride=self.stride, padding=self.padding)


class ConvTranspose2d(WeightNormalised):
    """The transposed convolution; `output_padding` (height, width) settles the side that a stride leaves open."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int = 0,
        output_padding: tuple[int, int] = (0, 0),
    ) -> None:
        height, width = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        super().__init__((inputs, outputs, height, width), output_dim=1)
        self.stride = stride
        self.padding = padding
        self.output_padding = output_padding

    def operation(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return F.conv_transpose2d(
            x, weight, bias, stride=self.stride, padding=self.padding, output_padding=self.output_padding
        )
