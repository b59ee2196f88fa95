"""Gated PixelCNN: two stacks without a blind spot, and gates for rectifiers (van den Oord et al., NeurIPS 2016)."""

from mae_bench import DataSpec
from mae_bench.nn.causal_networks import GatedPixelCNN
from mae_bench.vae import AutoregressiveModel, categorical_pixels, size_at

SIZES = {"paper": (126, 15), "medium": (24, 5), "small": (12, 2), "smoke": (6, 1)}
"""How many maps in each stack, a multiple of three for colours, and how many 3x3 layers."""


class GatedPixelCNNModel(AutoregressiveModel):
    """An exact density of bits, or of 256 levels by a softmax, each channel given those before it."""

    def __init__(self, data: DataSpec, preset: str) -> None:
        width, layers = size_at(preset, SIZES)
        pixels = categorical_pixels(data)
        network = GatedPixelCNN(data.shape[0], width, layers, pixels.maps)
        super().__init__(data, preset, network=network, pixels=pixels)
