"""Toy classes, and the probes' classifiers in plain NumPy."""

import numpy as np


def blobs(count: int, seed: int, spread: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping Gaussian classes in four dimensions."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(3, size=count)
    centres = np.array([[0, 0, 0, 0], [3, 0, 0, 1], [0, 3, 1, 0]])
    return (centres[labels] + spread * generator.normal(size=(count, 4))).astype(np.float32), labels.astype(np.int64)


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((a[:, None, :].astype(np.float64) - b[None, :, :]) ** 2).sum(-1)


def knn_by_hand(train, labels, test, neighbours) -> np.ndarray:
    """Each neighbour votes with the inverse of its distance."""
    distances = np.sqrt(squared_distances(test, train))
    predictions = []
    for row in distances:
        nearest = np.argsort(row, kind="stable")[:neighbours]
        votes = np.bincount(labels[nearest], weights=1 / row[nearest], minlength=3)
        predictions.append(votes.argmax())
    return np.array(predictions)
