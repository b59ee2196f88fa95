"""Decoders of natural images: log p(x|z) in nats by a mixture of discretised logistics, and draws from it."""

from collections.abc import Sequence

from torch import Tensor, nn

from mae_bench.nn.pixelcnn_pp import PixelCNNPlusPlus
from mae_bench.nn.precision import head_in_float32
from mae_bench.nn.resnet import ResidualBlock, halved, open_side
from mae_bench.nn.weight_norm import Conv2d, ConvTranspose2d
from mae_bench.vae.natural.encoder import latent_size
from mae_bench.vae.natural.mixture import DiscretisedLogisticMixture

COMPONENTS = 10
"""How many components the mixture has."""


def doubling(inputs: int, outputs: int, size: tuple[int, int]) -> ConvTranspose2d:
    """A transposed 3x3 of stride 2 from maps of half of `size`, rounded up, to maps of `size`."""
    return ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=open_side(size))


class PixelCNNPlusPlusDecoder(nn.Module):
    """z -> maps of the image's size, fed to every gated block of a PixelCNN++ of receptive field 7x4.

    widths: how many maps z has and becomes (16 -> 8 -> 4 by two transposed convolutions of stride 2, then 1x1 to 16 at
    preset paper). width, blocks, dropout: those of the PixelCNN++ (96 maps, five blocks, 0.5).
    """

    def __init__(
        self, shape: tuple[int, int, int], widths: Sequence[int], width: int, blocks: int, dropout: float
    ) -> None:
        super().__init__()
        first, second, third, last = widths
        self.latent_shape = (first, *latent_size(shape))
        size = (shape[1], shape[2])
        self.activations = 2 * width * size[0] * size[1]  # concat-ELU doubles the maps
        self.into_maps = nn.Sequential(
            doubling(first, second, halved(size)),
            nn.ELU(),
            doubling(second, third, size),
            nn.ELU(),
            Conv2d(third, last, 1),
        )
        self.mixture = DiscretisedLogisticMixture(shape[0], COMPONENTS)
        self.pixelcnn = PixelCNNPlusPlus(
            shape[0], last, width=width, blocks=blocks, outputs=self.mixture.maps, dropout=dropout
        )

    def mixture_maps(self, x: Tensor, z: Tensor) -> Tensor:
        """x [N, C, H, W], z [N, units] -> the mixture's maps, each pixel a function of z and the pixels before it."""
        result: Tensor = self.pixelcnn(2 * x - 1, self._maps(z))
        return result

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z): [N], nats."""
        return self.mixture.log_likelihood(x, self.mixture_maps(x, z))

    def sample(self, z: Tensor) -> Tensor:
        """Images [N, C, H, W] from p(x|z), pixel by pixel."""
        images = self.pixelcnn.generate(self._maps(z), lambda maps: 2 * self.mixture.sample(maps) - 1)
        return (images + 1) / 2

    def _maps(self, z: Tensor) -> Tensor:
        result: Tensor = self.into_maps(z.view(-1, *self.latent_shape))
        return result


class ResNetMixtureDecoder(nn.Module):
    """Pixels independent given z: residual blocks at a quarter, half and all of the image's side, 1x1 to the mixture.

    latent_maps: how many z has. widths, blocks: one each for the three stages (96, 96, 48 maps; 3, 2, 2 blocks at
    preset paper), with transposed convolutions of stride 2 between them.
    """

    def __init__(
        self, shape: tuple[int, int, int], latent_maps: int, widths: Sequence[int], blocks: Sequence[int]
    ) -> None:
        super().__init__()
        self.latent_shape = (latent_maps, *latent_size(shape))
        size = (shape[1], shape[2])
        layers: list[nn.Module] = [Conv2d(latent_maps, widths[0], 1)]
        for stage, side in enumerate((None, halved(size), size)):
            if side is not None:
                layers += [nn.ELU(), doubling(widths[stage - 1], widths[stage], side)]
            layers += [ResidualBlock(widths[stage]) for _ in range(blocks[stage])]
        self.mixture = DiscretisedLogisticMixture(shape[0], COMPONENTS)
        self.activations = self.mixture.maps * size[0] * size[1]
        self.layers = nn.Sequential(*layers, nn.ELU(), Conv2d(widths[-1], self.mixture.maps, 1))

    def mixture_maps(self, z: Tensor) -> Tensor:
        """z [N, units] -> the mixture's maps [N, maps, H, W]."""
        return head_in_float32(self.layers[-1], self.layers[:-1](z.view(-1, *self.latent_shape)))

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x|z): [N], nats."""
        return self.mixture.log_likelihood(x, self.mixture_maps(z))

    def sample(self, z: Tensor) -> Tensor:
        """Images [N, C, H, W] from p(x|z)."""
        return self.mixture.sample(self.mixture_maps(z))
