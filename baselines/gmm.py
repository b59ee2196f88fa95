"""GMM: a mixture of Gaussians over patches, the one-layer case of van den Oord & Schrauwen (NeurIPS 2014)."""

import warnings
from math import log

import torch
import torch.nn.functional as F
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

from mae_bench import Adapter, DataSpec, FitContext, Images, ImportanceTerms, NotSupported

LEVELS = 256
ITERATIONS = 30
LOG_TWO_PI = 1.8378770664093453
_IMAGES_AT_ONCE = 1000


class PatchMixture(Adapter):
    """Patches tile an image, and each is an independent draw from one mixture with full covariances (scikit-learn's).

    components: of the mixture. patch: the largest side of a patch; it has the largest that divides both sides of the
    image. Levels are made continuous by uniform noise, the draw that importance sampling averages over: a bound, not a
    density, since a Gaussian leaves some probability outside the levels.
    """

    likelihoods = frozenset({"discretized_logistic_mixture"})
    log_weight: Tensor
    mean: Tensor
    whitening: Tensor

    def __init__(self, data: DataSpec, preset: str, components: int = 10, patch: int = 8) -> None:
        super().__init__(data, preset)
        if components < 1 or patch < 1:
            raise ValueError(f"components and patch must be positive, and are {components} and {patch}")
        channels, height, width = data.shape
        self.side = max(side for side in range(1, patch + 1) if height % side == width % side == 0)
        pixels = channels * self.side**2
        self.register_buffer("log_weight", torch.full((components,), -log(components)))
        self.register_buffer("mean", torch.full((components, pixels), 0.5))
        # Cholesky factors of the inverse covariances: (x - mean) @ whitening is N(0, I).
        self.register_buffer("whitening", torch.eye(pixels).repeat(components, 1, 1))

    def fit(self, train: Images, validation: Images, context: FitContext) -> None:
        """Expectation maximisation from k-means, over the patches of one visit to every training image."""
        visits = torch.arange(len(train), device=context.device).split(_IMAGES_AT_ONCE)
        images = torch.cat([train.batch(indices, context.generator).cpu() for indices in visits])
        seed = int(torch.randint(2**31, (), generator=context.generator, device=context.device))
        noise = torch.rand(images.shape, generator=torch.Generator().manual_seed(seed))
        patches = self._patches(images, noise).flatten(0, 1).numpy()
        mixture = GaussianMixture(len(self.mean), max_iter=ITERATIONS, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # these iterations are what is meant
            mixture.fit(patches)
        self.log_weight.copy_(torch.from_numpy(mixture.weights_).log())
        self.mean.copy_(torch.from_numpy(mixture.means_))
        self.whitening.copy_(torch.from_numpy(mixture.precisions_cholesky_))

    def log_density(self, x: Tensor, noise: Tensor) -> Tensor:
        """log p(x | noise): images and uniform noise [N, C, H, W] -> [N], nats for levels."""
        patches = self._patches(x, noise)
        of_component = []
        for weight, mean, whitening in zip(self.log_weight, self.mean, self.whitening, strict=True):
            white = (patches - mean) @ whitening
            log_volume = whitening.diagonal().log().sum()
            of_component.append(weight + log_volume - 0.5 * (white.square() + LOG_TWO_PI).sum(-1))
        of_patch = torch.logsumexp(torch.stack(of_component), 0)
        return of_patch.double().sum(1) - self.data.dimensions * log(LEVELS)

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        """Uniform noise is the latent, whose prior and posterior cancel: log p(x | noise), 0 and 0."""
        drawn = [self.log_density(x, torch.rand_like(x)) for _ in range(samples)]
        log_likelihood = torch.stack(drawn, dim=1)
        return ImportanceTerms(log_likelihood, torch.zeros_like(log_likelihood), torch.zeros_like(log_likelihood))

    def encode(self, x: Tensor) -> Tensor:
        raise NotSupported("not supported by this model: a component for each patch is no representation of the image")

    def sample(self, count: int) -> Tensor:
        _, height, width = self.data.shape
        tiles = count * (height // self.side) * (width // self.side)
        chosen = torch.multinomial(self.log_weight.exp(), tiles, replacement=True)
        noise = torch.randn(tiles, 1, self.mean.shape[1], device=self.mean.device)
        coloured = torch.linalg.solve_triangular(self.whitening[chosen], noise, upper=True, left=False)
        patches = (self.mean[chosen] + coloured.squeeze(1)).view(count, -1, self.mean.shape[1])
        image = F.fold(patches.transpose(1, 2), (height, width), self.side, stride=self.side)
        return (image * LEVELS).floor().clamp(0, LEVELS - 1) / (LEVELS - 1)

    def _patches(self, x: Tensor, noise: Tensor) -> Tensor:
        """Levels with noise, in [0, 1]: [N, C, H, W] each -> [N, patches, C x side x side]."""
        continuous = (x * (LEVELS - 1) + noise) / LEVELS
        return F.unfold(continuous, self.side, stride=self.side).transpose(1, 2)
