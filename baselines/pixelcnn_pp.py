"""PixelCNN++: three resolutions, short cuts and a mixture of discretised logistics (Salimans et al., ICLR 2017)."""

from mae_bench import DataSpec
from mae_bench.nn.pixelcnn_unet import PixelCNNUNet
from mae_bench.vae import AutoregressiveModel, mixture_pixels, size_at

SIZES = {"paper": (160, 5, 0.5), "medium": (12, 1, 0.0), "small": (6, 1, 0.0), "smoke": (4, 1, 0.0)}
"""How many maps, how many gated blocks of a stream at each resolution, and the probability of dropout."""


class PixelCNNPlusPlusModel(AutoregressiveModel):
    """An exact density of bits, or of 256 levels by a mixture of ten components that share a pixel's colours."""

    def __init__(self, data: DataSpec, preset: str) -> None:
        width, blocks, dropout = size_at(preset, SIZES)
        pixels = mixture_pixels(data)
        network = PixelCNNUNet(data.shape[0], width=width, blocks=blocks, outputs=pixels.maps, dropout=dropout)
        super().__init__(data, preset, network=network, pixels=pixels)
