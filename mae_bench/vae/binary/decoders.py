"""Decoders of binary images: log p(x|z) in nats and draws from it."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mae_bench.nn.pixelcnn import PixelCNN
from mae_bench.nn.precision import at_least_float32
from mae_bench.nn.resnet import UpwardBlock, halved
from mae_bench.nn.weight_norm import ConvTranspose2d, Linear


def bernoulli_log_likelihood(x: Tensor, logits: Tensor) -> Tensor:
    """Sum over pixels of log Bernoulli(x; sigmoid(logits)): bits and logits [N, C, H, W] -> [N], nats."""
    return -F.binary_cross_entropy_with_logits(at_least_float32(logits), x, reduction="none").flatten(1).sum(1)


class PixelCNNDecoder(nn.Module):
    """z -> linear -> 4 maps of the image's size -> ELU, then a PixelCNN over the image and those maps.

    Specification "PixelCNN decoder": width 64 and kernels 7, 7, 5, 5, 3, 3 at preset paper.
    """

    MAPS = 4

    def __init__(self, shape: tuple[int, int, int], units: int, width: int, kernels: Sequence[int]) -> None:
        super().__init__()
        self.shape = shape
        self.activations = width * shape[1] * shape[2]
        self.into_maps = Linear(units, self.MAPS * shape[1] * shape[2])
        self.pixelcnn = PixelCNN(shape[0], self.MAPS, width, kernels)

    def logits(self, x: Tensor, z: Tensor) -> Tensor:
        """x [N, C, H, W], z [N, units] -> Bernoulli logits [N, C, H, W], each a function of z and earlier pixels."""
        result: Tensor = self.pixelcnn(x, self.maps(z))
        return result

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z): [N], nats."""
        return bernoulli_log_likelihood(x, self.logits(x, z))

    def sample(self, z: Tensor) -> Tensor:
        """Images [N, C, H, W] from p(x|z), pixel by pixel; without gradients."""
        return self.pixelcnn.generate(self.maps(z), lambda logits: torch.bernoulli(torch.sigmoid(logits)))

    def maps(self, z: Tensor) -> Tensor:
        """z [N, units] -> the maps that condition the PixelCNN: [N, 4, H, W]."""
        return F.elu(self.into_maps(z)).view(-1, self.MAPS, *self.shape[1:])


class ResNetDecoder(nn.Module):
    """Pixels independent given z: transposed convolution -> ELU -> transposed residual blocks -> Bernoulli logits.

    Specification "ResNet decoder": 64 maps of 4 x 4, then blocks of stride 2 and widths 64, 32 and the image's channels
    (4 -> 7 -> 14 -> 28). widths: how many maps enter each block (64, 64, 32).
    """

    def __init__(self, shape: tuple[int, int, int], units: int, widths: Sequence[int]) -> None:
        super().__init__()
        channels, height, width = shape
        self.activations = widths[-1] * height * width
        sizes = [(height, width)]
        for _ in widths:
            sizes.insert(0, halved(sizes[0]))
        self.first = ConvTranspose2d(units, widths[0], sizes[0])
        blocks = zip(widths, [*widths[1:], channels], sizes[1:], strict=True)
        self.blocks = nn.Sequential(*(UpwardBlock(*block) for block in blocks))

    def logits(self, z: Tensor) -> Tensor:
        """z [N, units] -> Bernoulli logits [N, C, H, W]."""
        result: Tensor = self.blocks(F.elu(self.first(z[:, :, None, None])))
        return result

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z): [N], nats."""
        return bernoulli_log_likelihood(x, self.logits(z))

    def sample(self, z: Tensor) -> Tensor:
        """Images [N, C, H, W] from p(x|z)."""
        return torch.bernoulli(torch.sigmoid(self.logits(z)))
