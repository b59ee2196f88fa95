"""PixelRNN: LSTMs down the rows of an image (van den Oord, Kalchbrenner & Kavukcuoglu, ICML 2016)."""

from mae_bench import DataSpec
from mae_bench.nn.row_lstm import PixelRNN
from mae_bench.vae import AutoregressiveModel, categorical_pixels, size_at

SIZES = {"paper": (128, 12), "medium": (24, 3), "small": (12, 1), "smoke": (6, 1)}
"""How many maps, a multiple of three for colours, and how many row LSTMs."""


class PixelRNNModel(AutoregressiveModel):
    """The row LSTM, an exact density of bits or of 256 levels by a softmax; the diagonal BiLSTM is not here."""

    def __init__(self, data: DataSpec, preset: str) -> None:
        width, layers = size_at(preset, SIZES)
        pixels = categorical_pixels(data)
        network = PixelRNN(data.shape[0], width // data.shape[0] * data.shape[0], layers, pixels.maps)
        super().__init__(data, preset, network=network, pixels=pixels)
