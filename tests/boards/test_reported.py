"""The difference from a reported value, and its standard error, against a simulation."""

import numpy as np
import pytest

from mae_bench.boards.aggregate import Cell
from mae_bench.boards.reported import difference


def test_seeds_and_test_images_both_count_and_only_the_seeds_part_shrinks():
    few = difference(Cell(80.0, 0.6, 4, 0.4), 78.0)
    assert few.value == 2.0
    assert few.standard_error == pytest.approx(0.5)  # 0.6² / 4 + 0.4² = 0.25
    assert difference(Cell(80.0, 0.6, 10**6, 0.4), 78.0).standard_error == pytest.approx(0.4, abs=1e-6)


def test_the_draws_of_labelled_images_and_the_reported_spread_count_too():
    ours = Cell(0.9, 0.02, 4, 0.01, draw_std=0.05, draw_stderr=0.02)
    assert difference(ours, 0.95).standard_error == pytest.approx(np.sqrt(0.01**2 + 0.01**2 + 0.02**2))
    assert difference(ours, 0.95, 0.1).standard_error == pytest.approx(np.sqrt(0.0006 + 0.1**2 / 5))


def test_without_test_error_the_seeds_alone_count_and_without_spread_nothing_is_said():
    assert difference(Cell(0.9, 0.02, 4, None), 0.95).standard_error == pytest.approx(0.01)
    assert difference(Cell(0.9, None, 1, 0.01), 0.95).standard_error is None
    assert difference(Cell(None, None, 3, None, reason="diverged"), 0.95) is None


def test_the_standard_error_is_the_spread_of_repeated_studies():
    """Each study: fresh test images, whose error all its seeds share, and three trainings."""
    random = np.random.default_rng(0)
    studies, seeds, images, by_training, by_image = 4000, 3, 50, 0.3, 2.0
    means, errors = [], []
    for _ in range(studies):
        per_image = random.normal(0, by_image, images)
        per_seed = random.normal(0, by_training, seeds) + per_image.mean()
        cell = Cell(per_seed.mean(), per_seed.std(ddof=1), seeds, per_image.std(ddof=1) / np.sqrt(images))
        found = difference(cell, 0.0)
        means.append(found.value)
        errors.append(found.standard_error**2)
    assert np.sqrt(np.mean(errors)) == pytest.approx(np.std(means), rel=0.05)
