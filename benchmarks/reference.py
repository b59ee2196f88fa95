"""MAE at preset paper in the plain way, as a yardstick for speed: no code shared with `mae_bench.nn` and `.vae`.

Masked kernels in full k x k, weights masked and normalised at every call, images in torch's own layout, nothing fused,
folded, cached or cut into chunks; a sample costs one pass over the image for each of its pixels. Parameters have the
names and shapes that they have in the package, so that `load_state_dict` takes those of a model of the package.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Layer(nn.Module):
    """g v / ||v|| with the mask applied to v before the norm, and a bias; one norm for each row of v."""

    def __init__(self, *shape: int, mask: Tensor | None = None) -> None:
        super().__init__()
        self.direction = nn.Parameter(torch.empty(shape))
        self.scale = nn.Parameter(torch.empty(shape[0]))
        self.bias = nn.Parameter(torch.empty(shape[0]))
        self.register_buffer("mask", torch.ones(shape) if mask is None else mask.expand(shape), persistent=False)

    def weight(self) -> Tensor:
        v = self.direction * self.mask
        norm = v.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, *[1] * (v.ndim - 1))
        return self.scale.view(norm.shape) * v / norm


class Linear(Layer):
    """[B, inputs] -> [B, outputs]."""

    def __init__(self, inputs: int, outputs: int, mask: Tensor | None = None) -> None:
        super().__init__(outputs, inputs, mask=mask)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight(), self.bias)


class Convolution(Layer):
    """[B, inputs, H, W] -> [B, outputs, H', W']; padded to the same size unless told otherwise."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int | None = None,
        mask: Tensor | None = None,
    ) -> None:
        super().__init__(outputs, inputs, kernel, kernel, mask=mask)
        self.stride, self.padding = stride, kernel // 2 if padding is None else padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight(), self.bias, stride=self.stride, padding=self.padding)


def earlier_taps(kernel: int, centre: bool) -> Tensor:
    """[kernel, kernel]: 1 above the centre and to its left, and at the centre where asked."""
    mask = torch.zeros(kernel, kernel)
    mask[: kernel // 2] = 1
    mask[kernel // 2, : kernel // 2 + centre] = 1
    return mask


class ResidualBlock(nn.Module):
    """The encoder's: 3x3 of stride 2, ELU, 3x3, plus a 1x1 projection of stride 2, ELU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = Convolution(inputs, outputs, 3, stride=2)
        self.second = Convolution(outputs, outputs, 3)
        self.projection = Convolution(inputs, outputs, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(self.second(F.elu(self.first(x))) + self.projection(x))


class Encoder(nn.Module):
    """28 -> 14 -> 7 -> 4, then a valid 4x4 convolution: [B, 1, 28, 28] -> [B, 512]."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.Sequential(ResidualBlock(1, 32), ResidualBlock(32, 64), ResidualBlock(64, 64))
        self.last = Convolution(64, 512, 4, padding=0)

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(self.last(self.stages(x))).flatten(1)


class MADE(nn.Module):
    """One hidden layer of 320 ReLU units and a masked direct connection, over 32 units."""

    def __init__(self) -> None:
        super().__init__()
        order, degree = torch.arange(32), torch.arange(320) % 31
        self.into_hidden = Linear(32, 320, (order[None] <= degree[:, None]).float())
        self.out_of_hidden = Linear(320, 32, (degree[None] < order[:, None]).float())
        self.direct = Linear(32, 32, (order[None] < order[:, None]).float())

    def forward(self, z: Tensor) -> Tensor:
        return self.out_of_hidden(F.relu(self.into_hidden(z))) + self.direct(z)


class FlowStep(nn.Module):
    """u = m(z) + z exp(s(z) / 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.shift, self.log_scale = MADE(), MADE()


class Prior(nn.Module):
    """Eight steps, the order of the units reversed between them."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ModuleList(FlowStep() for _ in range(8))

    def log_density(self, z: Tensor) -> Tensor:
        """z [N, 32] -> [N], nats."""
        log_determinant = torch.zeros(len(z), device=z.device)
        for number, step in enumerate(self.steps):
            z = z.flip(1) if number else z
            log_scale = step.log_scale(z)
            z = step.shift(z) + z * torch.exp(log_scale / 2)
            log_determinant = log_determinant + log_scale.sum(1) / 2
        return gaussian(z, torch.zeros_like(z), torch.zeros_like(z)) + log_determinant


class Bottleneck(nn.Module):
    """1x1 64 -> 32, ELU, masked k x k, ELU, 1x1 32 -> 64, plus the input, ELU."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.narrow = Convolution(64, 32, 1)
        self.masked = Convolution(32, 32, kernel, mask=earlier_taps(kernel, centre=True))
        self.widen = Convolution(32, 64, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.elu(self.widen(F.elu(self.masked(F.elu(self.narrow(x))))) + x)


class PixelCNN(nn.Module):
    """A mask-A layer, six blocks, five skip blocks, a head."""

    def __init__(self) -> None:
        super().__init__()
        mask = torch.ones(64, 5, 7, 7)
        mask[:, 0] = earlier_taps(7, centre=False)
        self.first = Convolution(5, 64, 7, mask=mask)
        self.blocks = nn.ModuleList(Bottleneck(kernel) for kernel in (7, 7, 5, 5, 3, 3))
        self.skips = nn.ModuleList(Bottleneck(kernel) for kernel in (7, 7, 5, 5, 3))
        self.head = Convolution(64, 64, 1)
        self.logits = Convolution(64, 1, 1)

    def forward(self, together: Tensor) -> Tensor:
        outputs = [F.elu(self.first(together))]
        for number, block in enumerate(self.blocks):
            skipped = self.skips[number - 2](outputs[number - 2]) if number >= 2 else 0
            outputs.append(block(outputs[-1] + skipped))
        return self.logits(F.elu(self.head(outputs[-1] + self.skips[4](outputs[4]))))


class Decoder(nn.Module):
    """z -> linear -> 4 maps -> ELU, beside the image into the PixelCNN."""

    def __init__(self) -> None:
        super().__init__()
        self.into_maps = Linear(32, 4 * 28 * 28)
        self.pixelcnn = PixelCNN()

    def logits(self, x: Tensor, z: Tensor) -> Tensor:
        """x [N, 1, 28, 28], z [N, 32] -> [N, 1, 28, 28]."""
        maps = F.elu(self.into_maps(z)).view(-1, 4, 28, 28)
        return self.pixelcnn(torch.cat([x, maps], dim=1))


class Posterior(nn.Module):
    """Features -> mean and log-variance."""

    def __init__(self) -> None:
        super().__init__()
        self.parameters_of = Linear(512, 64)


def gaussian(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """log N(z; mean, exp(log_variance)) summed over the last dimension."""
    return -0.5 * ((z - mean).square() / log_variance.exp() + log_variance + math.log(2 * math.pi)).sum(-1)


class PlainMAE(nn.Module):
    """Eqs. (1) to (8) of the paper with eta = 1 and gamma = 0.5, on 28 x 28 bits."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.posterior_of, self.prior, self.decoder = Encoder(), Posterior(), Prior(), Decoder()

    def terms(self, x: Tensor, samples: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """log p(x|z) and log q(z|x) - log p(z), both [B, samples]; mean and log-variance of the posterior."""
        mean, log_variance = self.posterior_of.parameters_of(self.encoder(x)).chunk(2, dim=1)
        noise = torch.randn(len(x), samples, 32, device=x.device)
        z = mean[:, None] + torch.exp(0.5 * log_variance)[:, None] * noise
        logits = self.decoder.logits(x.repeat_interleave(samples, 0), z.flatten(0, 1)).view(len(x), samples, -1)
        bits = x.flatten(1)[:, None].expand_as(logits)
        log_likelihood = -F.binary_cross_entropy_with_logits(logits, bits, reduction="none").sum(-1)
        of_prior = self.prior.log_density(z.flatten(0, 1)).view(len(x), samples)
        return log_likelihood, gaussian(z, mean[:, None], log_variance[:, None]) - of_prior, mean, log_variance

    def nll(self, x: Tensor, samples: int) -> Tensor:
        """-log mean_k w_k of each image, all samples in one piece: [B], nats."""
        with torch.no_grad():
            log_likelihood, kl, _, _ = self.terms(x, samples)
            return math.log(samples) - torch.logsumexp(log_likelihood - kl, dim=1)

    def loss(self, x: Tensor) -> Tensor:
        """Eq. (7), over pairs i != j of the batch."""
        log_likelihood, kl, mean, log_variance = self.terms(x, 1)
        difference = mean[:, None] - mean[None]
        ratio = log_variance[:, None] - log_variance[None]
        pairs = 0.5 * (difference.square() / log_variance.exp()[None] + ratio.exp() - 1 - ratio)
        pairs = pairs[~torch.eye(len(x), dtype=torch.bool, device=x.device)]
        diversity, smoothness = F.softplus(-pairs).mean(0).sum(), pairs.sum(-1).std(correction=0)
        return (kl - log_likelihood).mean() + diversity + 0.5 * smoothness

    @torch.no_grad()
    def sample(self, z: Tensor, passes: int = 28 * 28) -> Tensor:
        """Images [N, 1, 28, 28] from p(x|z), of which the first `passes` pixels are drawn, one full pass for each."""
        x = torch.zeros(len(z), 1, 28, 28, device=z.device)
        for pixel in range(passes):
            row, column = divmod(pixel, 28)
            x[:, :, row, column] = torch.bernoulli(torch.sigmoid(self.decoder.logits(x, z)[:, :, row, column]))
        return x
