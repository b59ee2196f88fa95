"""3x3 grey images with one strong direction of variation: the data of the linear-Gaussian test."""

import numpy as np

from mae_bench.data.arrays import Arrays


def load() -> Arrays:
    """700 images drawn from a linear-Gaussian model with a fixed seed, quantised to 255 grey levels."""
    rng = np.random.default_rng(7)
    strength = rng.normal(size=(700, 1))
    pattern = np.linspace(-0.15, 0.2, 9)
    images = 0.5 + strength * pattern + 0.06 * rng.normal(size=(700, 9))
    grey = np.clip(np.rint(images * 255), 0, 255).astype(np.uint8).reshape(-1, 1, 3, 3)
    labels = (strength[:, 0] > 0).astype(np.int64)
    return Arrays(grey[:500], labels[:500], grey[500:], labels[500:])
