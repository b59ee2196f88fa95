"""Models as others have written them, wrapped: of one image size, with strides, without a density, in layers, ..."""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

from mae_bench import Adapter, DiagonalGaussian, ImportanceTerms, Loss, NotSupported


def bernoulli(logits, x):
    """log p(x|z) for logits [B, K, C * H * W] and x [B, C, H, W]: [B, K]."""
    return -F.binary_cross_entropy_with_logits(logits, x.flatten(1)[:, None].expand_as(logits), reduction="none").sum(
        -1
    )


def standard(like):
    """N(0, 1) with as many dimensions as `like`."""
    return DiagonalGaussian(torch.zeros_like(like.mean), torch.zeros_like(like.mean))


class Gaussian(Adapter):
    """A VAE of an encoder to four numbers and a decoder from two, which subclasses make."""

    def posterior(self, x):
        return DiagonalGaussian(*self.encoder(x).chunk(2, dim=1))

    def encode(self, x):
        return self.posterior(x).mean

    def importance_terms(self, x, samples):
        q = self.posterior(x)
        z = q.sample(samples)
        logits = self.decoder(z.flatten(0, 1)).view(len(x), samples, -1)
        return ImportanceTerms(bernoulli(logits, x), standard(q).log_density(z), q.log_density(z))

    def loss(self, x):
        terms = self.importance_terms(x, 1)
        error, kl = -terms.log_likelihood.mean(), (terms.log_posterior - terms.log_prior).mean()
        return Loss(error + kl, {"reconstruction_error": error, "kl": kl})


class FixedSize(Gaussian):
    """Layers of 784 units, and an encoder that reshapes, whatever it is given."""

    def __init__(self, data, preset):
        super().__init__(data, preset)
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 4))
        self.decoder = nn.Linear(2, 784)

    def importance_terms(self, x, samples):
        return super().importance_terms(x.view(-1, 1, 28, 28), samples)


class Strided(Gaussian):
    """Three convolutions of stride 2 without padding: sides of 15 pixels or more, in steps of 8."""

    def __init__(self, data, preset):
        super().__init__(data, preset)
        channels, height, width = data.shape
        if height % 8 or width % 8:
            raise ValueError(f"sides of {height}x{width} are no multiples of 8")
        self.encoder = nn.Sequential(
            nn.Conv2d(channels, 4, 3, 2), nn.ELU(), nn.Conv2d(4, 4, 3, 2), nn.ELU(), nn.Conv2d(4, 4, 3, 2),
            nn.Flatten(), nn.LazyLinear(4),
        )  # fmt: skip
        self.encoder(torch.zeros(1, *data.shape))
        self.decoder = nn.Sequential(
            nn.Linear(2, 4 * height * width // 64), nn.Unflatten(1, (4, height // 8, width // 8)),
            nn.ConvTranspose2d(4, channels, 8, 8), nn.Flatten(),
        )  # fmt: skip


class Smaller(Adapter):
    """Reconstructs images of 28x28 whatever the size of those that it is given."""

    def __init__(self, data, preset):
        super().__init__(data, preset)
        self.mean = nn.Parameter(torch.full((1, 28, 28), 0.5))

    def encode(self, x):
        return x.mean((2, 3))

    def reconstruct(self, x):
        return self.mean.expand(len(x), -1, -1, -1).clamp(0, 1)

    def loss(self, x):
        return Loss((self.mean - x.mean()).square().sum(), {})


class Faces(Gaussian):
    """Declines all images but those of 20x28 faces, as the contract asks."""

    def __init__(self, data, preset):
        super().__init__(data, preset)
        if data.shape != (1, 28, 20):
            raise NotSupported("made for faces of 1x28x20")
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(560, 4))
        self.decoder = nn.Linear(2, 560)


class WithoutDensity(Adapter):
    """An autoencoder: `loss`, `encode` and `reconstruct`, and nothing that could be a likelihood."""

    def __init__(self, data, preset, units: int = 8):
        super().__init__(data, preset)
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(data.dimensions, units))
        self.decoder = nn.Linear(units, data.dimensions)

    def encode(self, x):
        return self.encoder(x)

    def reconstruct(self, x):
        return torch.sigmoid(self.decoder(self.encode(x))).view_as(x)

    def loss(self, x):
        error = F.mse_loss(self.reconstruct(x), x, reduction="none").flatten(1).sum(1).mean()
        return Loss(error, {"squared_error": error})


class WithoutPosterior(Adapter):
    """p(x) of pixels that each depend on those before: an exact likelihood, no latents and nothing to reconstruct."""

    def __init__(self, data, preset):
        super().__init__(data, preset)
        self.weight = nn.Parameter(torch.zeros(data.dimensions, data.dimensions))
        self.bias = nn.Parameter(torch.zeros(data.dimensions))

    def log_p(self, x):
        logits = x.flatten(1) @ self.weight.triu(1) + self.bias
        return bernoulli(logits.unsqueeze(1), x)

    def importance_terms(self, x, samples):
        columns = self.log_p(x).expand(-1, samples)
        return ImportanceTerms(columns, torch.zeros_like(columns), torch.zeros_like(columns))

    def encode(self, x):
        return x.flatten(1)

    def loss(self, x):
        return Loss(-self.log_p(x).mean(), {})


class TwoLayers(Adapter):
    """x -> z1 -> z2 and back: log-densities of both layers are summed; the top mean is the representation."""

    def __init__(self, data, preset, z_dims: list[int] = [6, 3]):  # noqa: B006 (as strangers write it)
        super().__init__(data, preset)
        first, second = z_dims
        self.to_first = nn.Sequential(nn.Flatten(), nn.Linear(data.dimensions, 2 * first))
        self.to_second = nn.Linear(first, 2 * second)
        self.from_second = nn.Linear(second, 2 * first)
        self.from_first = nn.Linear(first, data.dimensions)

    def posterior(self, x):
        return DiagonalGaussian(*self.to_first(x).chunk(2, 1))

    def encode(self, x):
        return self.to_second(self.posterior(x).mean).chunk(2, 1)[0]

    def importance_terms(self, x, samples):
        q1 = self.posterior(x)
        z1 = q1.sample(samples)
        q2 = DiagonalGaussian(*self.to_second(z1.flatten(0, 1)).chunk(2, 1))
        z2 = q2.sample(1)
        p1 = DiagonalGaussian(*self.from_second(z2.flatten(0, 1)).chunk(2, 1))
        log_q2, log_p2 = (p.log_density(z2).view(len(x), samples) for p in (q2, standard(q2)))
        log_p1 = p1.log_density(z1.flatten(0, 1).unsqueeze(1)).view(len(x), samples)
        log_likelihood = bernoulli(self.from_first(z1), x)
        return ImportanceTerms(log_likelihood, log_p1 + log_p2, q1.log_density(z1) + log_q2)

    loss = Gaussian.loss


class Configured(Gaussian):
    """Reads its width from a file beside its own, as many repositories do."""

    def __init__(self, data, preset, config: str = "configured.json"):
        super().__init__(data, preset)
        width = json.loads((Path(__file__).parent / config).read_text())["width"]
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(data.dimensions, width), nn.ELU(), nn.Linear(width, 4))
        self.decoder = nn.Sequential(nn.Linear(2, width), nn.ELU(), nn.Linear(width, data.dimensions))


class OwnTrainer(Gaussian):
    """Trains itself by SGD on batches of the context, keeps the best weights, and can be resumed.

    die_after: the epoch after which it fails, once.
    """

    def __init__(self, data, preset, epochs: int = 3, die_after: int = 0):
        super().__init__(data, preset)
        self.epochs, self.die_after = epochs, die_after
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(data.dimensions, 4))
        self.decoder = nn.Linear(2, data.dimensions)

    def fit(self, train, validation, context):
        file = context.checkpoint_directory / "sgd.pt"
        done = 0
        if file.exists():
            saved = torch.load(file, map_location=context.device)
            done = saved.pop("epoch")
            torch.set_rng_state(saved.pop("random").cpu())
            self.load_state_dict(saved)
        optimiser = torch.optim.SGD(self.parameters(), lr=0.01)
        batches = context.loader(train, 100, epoch=done)
        for epoch in range(done + 1, self.epochs + 1):
            total = 0.0
            for x in batches:
                loss = self.loss(x).total
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                total += loss.item() / len(batches)
            with torch.no_grad():
                losses = [float(self.loss(x).total) for x in context.loader(validation, shuffle=False)]
            context.report(epoch=epoch, train=total, validation=sum(losses) / len(losses), epochs=self.epochs)
            torch.save({**self.state_dict(), "epoch": epoch, "random": torch.get_rng_state()}, file)
            if epoch == self.die_after and not (file.parent / "died").exists():
                (file.parent / "died").touch()
                raise RuntimeError("killed")


class TwoStages(Gaussian):
    """The default loop twice: for the whole model, then for its decoder alone."""

    def __init__(self, data, preset):
        super().__init__(data, preset)
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(data.dimensions, 4))
        self.decoder = nn.Linear(2, data.dimensions)

    def fit(self, train, validation, context):
        context.train(self, train, validation, max_epochs=2)
        noise = torch.rand(1) * 0.01  # drawn between the two
        with torch.no_grad():
            self.decoder.bias += noise
        context.train(self, train, validation, max_epochs=3, learning_rate=1e-4)
