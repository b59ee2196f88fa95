"""PixelSNAIL: attention over all earlier pixels between causal convolutions (Chen et al., ICML 2018)."""

from mae_bench import DataSpec
from mae_bench.nn.pixelsnail import PixelSNAIL
from mae_bench.vae import AutoregressiveModel, mixture_pixels, size_at

SIZES = {"paper": (256, 6, 4, 0.5), "medium": (16, 1, 2, 0.0), "small": (6, 1, 1, 0.0), "smoke": (4, 1, 1, 0.0)}
"""How many maps, stages with attention, gated blocks in each before it, and the probability of dropout."""


class PixelSNAILModel(AutoregressiveModel):
    """An exact density of bits, or of 256 levels by a mixture of ten components that share a pixel's colours."""

    def __init__(self, data: DataSpec, preset: str) -> None:
        width, stages, blocks, dropout = size_at(preset, SIZES)
        pixels = mixture_pixels(data)
        network = PixelSNAIL(
            data.shape[0], width=width, stages=stages, blocks=blocks, outputs=pixels.maps, dropout=dropout
        )
        super().__init__(data, preset, network=network, pixels=pixels)
