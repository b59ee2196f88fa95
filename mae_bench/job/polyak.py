"""The Polyak average of a model's parameters over training steps."""

from copy import deepcopy

from torch.optim.swa_utils import get_ema_multi_avg_fn

from mae_bench.adapter import Adapter


class PolyakAverage:
    """average <- decay average + (1 - decay) parameter after each step; `adapter` is the model with the average.

    What torch.optim.swa_utils.AveragedModel computes. That one counts its steps in a tensor and reads it at each, so
    that every step would wait for the GPU.
    """

    def __init__(self, adapter: Adapter, decay: float) -> None:
        self.adapter = deepcopy(adapter)
        self._model = adapter
        self._averages, self._parameters = list(self.adapter.parameters()), list(adapter.parameters())
        self._buffers = adapter.state_dict().keys() - dict(adapter.named_parameters()).keys()
        self._mix = get_ema_multi_avg_fn(decay)

    def update(self, *, first: bool) -> None:
        """Add the model's present parameters, which are the average if they are the first; buffers are copied."""
        if first:
            self.adapter.load_state_dict(self._model.state_dict())
            return
        self._mix(self._averages, self._parameters, 0)
        for name in self._buffers:
            self.adapter.get_buffer(name).copy_(self._model.get_buffer(name))
