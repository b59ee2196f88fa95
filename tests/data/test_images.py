"""Binarisation: bits of the right probabilities, drawn anew in training and fixed elsewhere."""

import numpy as np
import pytest
import torch

from mae_bench.data.images import ByteImages, draw_bits
from mae_bench.foundation.seeding import numpy_generator

LEVELS = 16
EVERY_LEVEL = torch.arange(LEVELS + 1, dtype=torch.uint8).reshape(1, 1, 1, LEVELS + 1)


def _assert_frequencies(ones: np.ndarray, draws: int, levels: int) -> None:
    """ones[level] of `draws` bits are 1: none at 0, all at `levels`, between them up to 4.5 standard deviations off."""
    probability = np.arange(levels + 1) / levels
    deviation = np.sqrt(draws * probability * (1 - probability))
    assert ones[0] == 0
    assert ones[-1] == draws
    assert (np.abs(ones - draws * probability) <= 4.5 * deviation).all()


@pytest.mark.parametrize("levels", [16, 255])
def test_training_bits_have_probability_pixel_over_levels(levels):
    pixels = torch.arange(levels + 1, dtype=torch.uint8).reshape(1, 1, 1, levels + 1)
    images = ByteImages(pixels, levels, "bernoulli")
    draws = 40_000
    x = images.batch(torch.zeros(draws, dtype=torch.long), torch.Generator().manual_seed(0))
    assert x.dtype == torch.float32
    assert set(x.unique().tolist()) == {0.0, 1.0}
    _assert_frequencies(x.sum(0).flatten().numpy(), draws, levels)


@pytest.mark.parametrize("levels", [16, 255])
def test_fixed_bits_have_probability_pixel_over_levels(levels):
    draws = 40_000
    pixels = np.tile(np.arange(levels + 1, dtype=np.uint8), (draws, 1))
    bits = draw_bits(pixels, levels, numpy_generator(0, "test bits"))
    _assert_frequencies(bits.sum(0), draws, levels)


def test_training_bits_are_fresh_and_follow_the_generator():
    images = ByteImages(EVERY_LEVEL, LEVELS, "bernoulli")
    indices = torch.zeros(50, dtype=torch.long)
    generator = torch.Generator().manual_seed(3)
    state = generator.get_state()
    first, second = images.batch(indices, generator), images.batch(indices, generator)
    assert not torch.equal(first, second)
    generator.set_state(state)
    assert torch.equal(images.batch(indices, generator), first)


def test_training_bits_need_a_generator():
    with pytest.raises(ValueError, match=r"pass context\.generator"):
        ByteImages(EVERY_LEVEL, LEVELS, "bernoulli").batch(torch.tensor([0]))


def test_fixed_bits_are_answered_with_or_without_a_generator():
    pixels = torch.full((3, 1, 2, 2), 8, dtype=torch.uint8)
    bits = torch.tensor([False, False, True]).reshape(3, 1, 1, 1).expand_as(pixels)
    images = ByteImages(pixels, LEVELS, "bernoulli", bits)
    indices = torch.tensor([2, 1])
    expected = torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2)
    assert torch.equal(images.batch(indices), expected)
    assert torch.equal(images.batch(indices, torch.Generator()), expected)


def test_thresholded_is_strictly_above_one_half():
    x = ByteImages(EVERY_LEVEL, LEVELS, "bernoulli").thresholded(torch.tensor([0]))
    assert x.dtype == torch.float32
    assert x.flatten().tolist() == [0.0] * 9 + [1.0] * 8


def test_levels_if_the_task_is_not_binary():
    images = ByteImages(EVERY_LEVEL, LEVELS, "discretized_logistic_mixture")
    expected = torch.linspace(0, 1, LEVELS + 1).reshape(1, 1, 1, LEVELS + 1)
    assert torch.equal(images.batch(torch.tensor([0])), expected)
    assert torch.equal(images.thresholded(torch.tensor([0])), expected)


def test_to_moves_pixels_and_bits():
    # Every machine has the "meta" device.
    moved = ByteImages(EVERY_LEVEL, LEVELS, "bernoulli", EVERY_LEVEL > 3).to("meta")
    assert moved.pixels.device.type == "meta"
    assert moved.bits.device.type == "meta"
