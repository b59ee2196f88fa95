"""`Sound`, an adapter that keeps every rule of the conformance suite, and adapters that each break one."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from mae_bench import Adapter, DiagonalGaussian, ImportanceTerms, Loss, NotSupported


class Sound(Adapter):
    """Linear encoder and decoder, two latent dimensions; answers every question."""

    def __init__(self, data, preset):
        super().__init__(data, preset)
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(data.dimensions, 4))
        self.decoder = nn.Linear(2, data.dimensions)

    def posterior(self, x):
        return DiagonalGaussian(*self.encoder(x).chunk(2, dim=1))

    def encode(self, x):
        return self.posterior(x).mean

    def draw(self, posterior, samples):
        return posterior.sample(samples)

    def logits(self, x, z):
        return self.decoder(z)

    def log_likelihood(self, x, logits):
        bits = x.flatten(1).unsqueeze(1).expand_as(logits)
        return -F.binary_cross_entropy_with_logits(logits, bits, reduction="none").sum(-1)

    def importance_terms(self, x, samples):
        posterior = self.posterior(x)
        z = self.draw(posterior, samples)
        prior = DiagonalGaussian(torch.zeros_like(posterior.mean), torch.zeros_like(posterior.mean))
        return ImportanceTerms(
            self.log_likelihood(x, self.logits(x, z)), prior.log_density(z), posterior.log_density(z)
        )

    def loss(self, x):
        terms = self.importance_terms(x, 1)
        error = -terms.log_likelihood.mean()
        kl = (terms.log_posterior - terms.log_prior).mean()
        return Loss(error + kl, {"reconstruction_error": error, "kl": kl})

    def images(self, z):
        return torch.bernoulli(torch.sigmoid(self.decoder(z))).view(-1, *self.data.shape)

    def reconstruct(self, x):
        return self.images(self.posterior(x).mean)

    def sample(self, count):
        return self.images(torch.randn(count, 2, device=self.decoder.weight.device))


class Levels(Sound):
    """Keeps every rule for 256 levels: the probability of level k is proportional to exp(a k / 255)."""

    likelihoods = frozenset({"discretized_logistic_mixture"})

    def log_likelihood(self, x, logits):
        return self.log_channels(x, logits).sum(-1)

    def log_channels(self, x, logits):
        level = (255 * x).round().long().flatten(1)[:, None, :, None].expand(*logits.shape, 1)
        log_p = (logits[..., None] * torch.linspace(0, 1, 256)).log_softmax(-1)
        return log_p.gather(-1, level).squeeze(-1)


class BothLikelihoods(Levels):
    """Keeps every rule for bits and for 256 levels."""

    likelihoods = frozenset({"bernoulli", "discretized_logistic_mixture"})

    def log_likelihood(self, x, logits):
        of = Sound if self.data.likelihood == "bernoulli" else Levels
        return of.log_likelihood(self, x, logits)


def changed(terms, **differences):
    """The same log-densities, with these added to them."""
    return ImportanceTerms(**{name: value + differences.get(name, 0.0) for name, value in vars(terms).items()})


# construction
class WithoutSuper(Sound):
    def __init__(self, data, preset):
        self.data, self.preset = data, preset


class LayersBeforeSuper(Sound):
    def __init__(self, data, preset):
        self.first = nn.Linear(1, 1)
        super().__init__(data, preset)


class OtherPreset(Sound):
    def __init__(self, data, preset):
        super().__init__(data, "small")


class FunctionAsDefault(Sound):
    def __init__(self, data, preset, activation=torch.relu):
        super().__init__(data, preset)


class UnknownLikelihood(Sound):
    likelihoods = frozenset({"bernoulli", "binary"})


class LikelihoodAsText(Sound):
    likelihoods = "bernoulli"


# devices
class Elsewhere(Sound):
    def sample(self, count):
        return torch.zeros(count, *self.data.shape, device="meta")


class OnTheCpu(Sound):
    def sample(self, count):  # breaks the rule on a GPU alone
        return torch.zeros(count, *self.data.shape)


# answers
class SummedOverSamples(Sound):
    def importance_terms(self, x, samples):
        terms = super().importance_terms(x, samples)
        return ImportanceTerms(**{name: value.sum(1) for name, value in vars(terms).items()})


class HalfPrecision(Sound):
    def encode(self, x):
        return super().encode(x).half()


class Squeezed(Sound):
    def encode(self, x):
        return super().encode(x).squeeze(0)


class LossOfEachImage(Sound):
    def loss(self, x):
        return Loss(-self.importance_terms(x, 1).log_weights.squeeze(1), {})


class Logits(Sound):
    def reconstruct(self, x):
        return self.decoder(self.encode(x)).view_as(x) - 10.0


class FlatSamples(Sound):
    def sample(self, count):
        return super().sample(count).flatten(1)


class Crashing(Sound):
    def encode(self, x):
        return self.encoder(x.view(len(x), -1, 5))


class LongWinded(Sound):
    def posterior(self, x):
        raise NotSupported("no" * 3000)

    def encode(self, x):
        return self.encoder(x)

    def importance_terms(self, x, samples):
        return Adapter.importance_terms(self, x, samples)


class Silent(Adapter):
    """Answers nothing."""


# determinism
class OwnGenerator(Sound):
    def __init__(self, data, preset):
        super().__init__(data, preset)
        self.noise = np.random.default_rng(0)

    def draw(self, posterior, samples):
        noise = torch.from_numpy(self.noise.standard_normal((len(posterior.mean), samples, 2))).float()
        return posterior.mean.unsqueeze(1) + torch.exp(0.5 * posterior.log_variance).unsqueeze(1) * noise


class DrawnRepresentation(Sound):
    def encode(self, x):
        return self.posterior(x).sample(1).squeeze(1)


class WeightsByNumPy(Sound):
    def __init__(self, data, preset):
        super().__init__(data, preset)
        self.decoder.bias.data = torch.from_numpy(np.random.default_rng().normal(size=data.dimensions)).float()


class LossByNumPy(Sound):
    def loss(self, x):
        loss = super().loss(x)
        return Loss(loss.total * np.random.default_rng().uniform(0.9, 1.1), loss.terms)


# batches
class BatchStatistics(Sound):
    def posterior(self, x):
        features = self.encoder(x)
        mean, std = features.mean(0), features.std(0, correction=0)
        return DiagonalGaussian(*((features - mean) / (std + 1e-3)).chunk(2, dim=1))


class PixelsOfTheBatch(Sound):
    """The decoder sees the mean image of the batch: the representation is as it should be, the likelihood is not."""

    def logits(self, x, z):
        return self.decoder(z) + 4 * (x.flatten(1).mean(0) - 0.5)


# log-weights
class NotANumberAtOnes(Sound):
    def importance_terms(self, x, samples):
        dark = torch.log(1 - x.flatten(1).mean(1, keepdim=True))
        return changed(super().importance_terms(x, samples), log_likelihood=0 * dark)


class DividedBySamples(Sound):
    def importance_terms(self, x, samples):
        return changed(super().importance_terms(x, samples), log_posterior=np.log(samples))


class OneDraw(Sound):
    def draw(self, posterior, samples):
        return posterior.sample(1).expand(-1, samples, -1)


# normalisation
class WithoutConstant(Sound):
    def importance_terms(self, x, samples):
        return changed(super().importance_terms(x, samples), log_prior=np.log(2 * np.pi))


class LikelihoodOfHalf(Sound):
    """Leaves the last pixels out, each of which doubles the sum."""

    def importance_terms(self, x, samples):
        terms = super().importance_terms(x, samples)
        return ImportanceTerms(terms.log_likelihood / 2, terms.log_prior, terms.log_posterior)


class BeyondFloat64(Sound):
    def importance_terms(self, x, samples):
        return changed(super().importance_terms(x, samples), log_likelihood=1000.0)


class NotANumberWhenTiny(Sound):
    def importance_terms(self, x, samples):
        nothing = 0.0 if self.data.shape[1] == 8 else float("nan")
        return changed(super().importance_terms(x, samples), log_likelihood=nothing)


class BitsForLevels(Sound):
    """Reads grey levels as probabilities of a bit."""

    likelihoods = frozenset({"discretized_logistic_mixture"})


class DensityForLevels(Levels):
    """The density of a real number in [0, 1] in place of the probability of a level."""

    def log_channels(self, x, logits):
        return super().log_channels(x, logits) + np.log(256)


class FirstChannel(Levels):
    """Grey images as it should; of a colour, the first channel alone."""

    def log_likelihood(self, x, logits):
        pixels = self.data.shape[1] * self.data.shape[2]
        return self.log_channels(x, logits)[..., :pixels].sum(-1)


class BitsAtLevels(BothLikelihoods):
    """Declares both likelihoods and scores bits under either."""

    def log_likelihood(self, x, logits):
        return Sound.log_likelihood(self, x, logits)


# normalisation, kept
class MassLost(Sound):
    """A fifth of the probability is nowhere."""

    def importance_terms(self, x, samples):
        return changed(super().importance_terms(x, samples), log_likelihood=np.log(0.8))


class Dequantised(Adapter):
    """The density of a Gaussian at x and uniform noise of a level's width: log p is bounded from below, and some of the
    mass lies outside the images.
    """

    likelihoods = frozenset({"discretized_logistic_mixture"})

    def fit(self, train, validation, context):
        pass

    def importance_terms(self, x, samples):
        level = (255 * x).round().flatten(1).unsqueeze(1).expand(-1, samples, -1)
        value = (level + torch.rand_like(level)) / 256
        log_density = torch.distributions.Normal(0.5, 0.5).log_prob(value).sum(-1) - self.data.dimensions * np.log(256)
        return ImportanceTerms(log_density, torch.zeros_like(log_density), torch.zeros_like(log_density))


class NotANumberOnceMoved(Sound):
    """Some steps of training on tiny images leave it without numbers."""

    def __init__(self, data, preset):
        super().__init__(data, preset)
        self.register_buffer("first", self.decoder.weight.detach().clone())

    def importance_terms(self, x, samples):
        moved = self.data.shape[1] == 3 and not torch.equal(self.first, self.decoder.weight)
        return changed(super().importance_terms(x, samples), log_likelihood=float("nan") if moved else 0.0)


class ForLargeImages(Sound):
    """Pools its images, which those of 3x3 are too small for."""

    def posterior(self, x):
        return super().posterior(F.max_pool2d(x, 4).repeat_interleave(4, 2).repeat_interleave(4, 3))


class DistantProposal(Sound):
    """Its first weights put q far from the posterior."""

    def posterior(self, x):
        posterior = super().posterior(x)
        return DiagonalGaussian(posterior.mean, posterior.log_variance - 2.0)


class NarrowProposal(Sound):
    """No weights bring q near the posterior, and so the sum cannot be told."""

    def posterior(self, x):
        mean = super().posterior(x).mean
        return DiagonalGaussian(mean, torch.full_like(mean, -12.0))


# gradients
class Unreached(Sound):
    def __init__(self, data, preset):
        super().__init__(data, preset)
        self.forgotten = nn.Linear(2, 2)


class RootOfZero(Sound):
    def loss(self, x):
        loss = super().loss(x)
        return Loss(loss.total + (0 * self.decoder.weight).square().sum().sqrt(), loss.terms)


class Detached(Sound):
    def loss(self, x):
        return Loss(super().loss(x).total.detach(), {})


class InfiniteLoss(Sound):
    def loss(self, x):
        return Loss(super().loss(x).total / 0, {})


# training
class WithoutLoss(Sound):
    def loss(self, x):
        return Adapter.loss(self, x)


class FitFails(Sound):
    def fit(self, train, validation, context):
        train.labels()


class FitDiverges(Sound):
    def fit(self, train, validation, context):
        nn.init.constant_(self.decoder.bias, float("inf"))


# loss-terms
class LogitsAsProbabilities(Sound):
    """What the loss trains as logits is scored as probabilities."""

    def importance_terms(self, x, samples):
        posterior = self.posterior(x)
        z = self.draw(posterior, samples)
        probabilities = self.logits(x, z).clamp(0.01, 0.99)
        prior = DiagonalGaussian(torch.zeros_like(posterior.mean), torch.zeros_like(posterior.mean))
        log_likelihood = self.log_likelihood(x, probabilities.logit())
        return ImportanceTerms(log_likelihood, prior.log_density(z), posterior.log_density(z))

    def loss(self, x):
        terms = Sound.importance_terms(self, x, 1)
        error, kl = -terms.log_likelihood.mean(), (terms.log_posterior - terms.log_prior).mean()
        return Loss(error + kl, {"reconstruction_error": error, "kl": kl})


class WeightedKL(Sound):
    def loss(self, x):
        terms = super().loss(x).terms
        return Loss(terms["reconstruction_error"] + 4 * terms["kl"], {"kl": 4 * terms["kl"]})


class NotANumberAsTerm(Sound):
    def loss(self, x):
        loss = super().loss(x)
        return Loss(loss.total, {"kl": loss.terms["kl"] * (1.0 if self.training else float("nan"))})


# loss-terms, kept
class AnalyticKL(Sound):
    """The KL of its loss is a closed form, and has a floor there."""

    def loss(self, x):
        posterior, error = self.posterior(x), super().loss(x).terms["reconstruction_error"]
        mean, log_variance = posterior.mean, posterior.log_variance
        kl = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1).mean()
        return Loss(error + kl.clamp_min(3.0), {"reconstruction_error": error, "kl": kl, "floored": kl.clamp_min(3.0)})


# state
class PlainAttribute(Sound):
    scale = 1.0

    def fit(self, train, validation, context):
        context.train(self, train, validation)
        self.scale = 2.0

    def encode(self, x):
        return self.scale * super().encode(x)


class LateBuffer(Sound):
    def fit(self, train, validation, context):
        self.register_buffer("images_seen", torch.tensor(float(len(train))))


class TwoFaults(WithoutConstant, Unreached):
    """Breaks two rules."""
