"""Raw pixels as a representation: what the probes find without any model."""

from torch import Tensor

from mae_bench import Adapter, FitContext, Images


class RawPixels(Adapter):
    """A yardstick for the probes: the image itself. Learns nothing and has no likelihood."""

    def fit(self, train: Images, validation: Images, context: FitContext) -> None:
        """Nothing to do."""

    def encode(self, x: Tensor) -> Tensor:
        return x.flatten(1)
