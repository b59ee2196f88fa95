"""PixelCNN: residual blocks of masked convolutions over the image itself (van den Oord et al., ICML 2016)."""

from mae_bench import DataSpec
from mae_bench.nn.causal_networks import ResidualPixelCNN
from mae_bench.vae import AutoregressiveModel, categorical_pixels, size_at

SIZES = {"paper": (128, 15), "medium": (48, 8), "small": (24, 3), "smoke": (6, 1)}
"""How many maps and residual blocks."""


class PixelCNN(AutoregressiveModel):
    """An exact density of bits, or of 256 levels by a softmax, each channel given those before it.

    Its windows leave a blind spot: pixels before another that it never sees, whatever the depth.
    """

    def __init__(self, data: DataSpec, preset: str) -> None:
        width, blocks = size_at(preset, SIZES)
        pixels = categorical_pixels(data)
        network = ResidualPixelCNN(data.shape[0], width, blocks, pixels.maps)
        super().__init__(data, preset, network=network, pixels=pixels)
