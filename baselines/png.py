"""PNG as a yardstick: a code of so many bits is a distribution of that negative log-likelihood (Kraft's inequality)."""

import io
from math import log

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mae_bench import Adapter, DataSpec, FitContext, Images, ImportanceTerms, NotSupported

_CHANNELS = (1, 3)
"""Grey and red, green, blue."""


class PNG(Adapter):
    """A yardstick for the likelihood: the length of each image's own PNG file, headers and all, as Pillow writes it.

    A compressor and not a model: it learns nothing, draws nothing and has no representation.
    """

    def __init__(self, data: DataSpec, preset: str) -> None:
        super().__init__(data, preset)
        if data.likelihood == "bernoulli":
            raise NotSupported("PNG is held against likelihoods of natural images; the bits of a binary task are drawn")
        if data.shape[0] not in _CHANNELS:
            raise NotSupported(f"PNG codes one channel or three, not {data.shape[0]}")

    def fit(self, train: Images, validation: Images, context: FitContext) -> None:
        """Nothing to do."""

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        """Minus the code length in nats, in `samples` equal columns."""
        levels = (x * 255).round().byte().cpu().numpy()
        bits = torch.tensor([8.0 * self._bytes(image) for image in levels], dtype=torch.float64, device=x.device)
        columns = (-log(2) * bits)[:, None].expand(-1, samples)
        return ImportanceTerms(columns, torch.zeros_like(columns), torch.zeros_like(columns))

    def encode(self, x: Tensor) -> Tensor:
        raise NotSupported("not supported by this model: a compressor has no representation")

    def _bytes(self, image: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> int:
        """Of the PNG file of one image [C, H, W]."""
        file = io.BytesIO()
        pixels = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
        Image.fromarray(pixels).save(file, "PNG", optimize=True)
        return file.tell()
