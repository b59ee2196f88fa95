"""Principal components as a representation: what the probes find in a linear projection of the pixels."""

import torch
from scipy.linalg import eigh
from torch import Tensor

from mae_bench import Adapter, DataSpec, FitContext, Images

_IMAGES_AT_ONCE = 1000


class PCA(Adapter):
    """A yardstick for the probes: the coordinates along the principal components of the training images.

    components: how many; fewer where the images have fewer pixels. It has no likelihood.
    """

    mean: Tensor
    directions: Tensor

    def __init__(self, data: DataSpec, preset: str, components: int = 32) -> None:
        super().__init__(data, preset)
        if components < 1:
            raise ValueError(f"components must be positive, and is {components}")
        kept = min(components, data.dimensions)
        self.register_buffer("mean", torch.zeros(data.dimensions))
        self.register_buffer("directions", torch.zeros(data.dimensions, kept))

    def fit(self, train: Images, validation: Images, context: FitContext) -> None:
        """The eigenvectors of the covariance of one visit to every training image, in float64."""
        total = torch.zeros(self.data.dimensions, dtype=torch.float64)
        products = torch.zeros(self.data.dimensions, self.data.dimensions, dtype=torch.float64)
        for indices in torch.arange(len(train), device=context.device).split(_IMAGES_AT_ONCE):
            x = train.batch(indices, context.generator).flatten(1).double().cpu()
            total += x.sum(0)
            products += x.T @ x
        mean = total / len(train)
        covariance = products / len(train) - torch.outer(mean, mean)
        last = self.data.dimensions - 1
        wanted = [last + 1 - self.directions.shape[1], last]
        _, vectors = eigh(covariance.numpy(), subset_by_index=wanted)  # in ascending order of variance
        self.mean.copy_(mean)
        self.directions.copy_(torch.from_numpy(vectors[:, ::-1].copy()))

    def encode(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - self.mean) @ self.directions
