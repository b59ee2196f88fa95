"""Binarisation: the right probabilities, fresh in training, fixed elsewhere."""

import numpy as np
import pytest
import torch

from mae_bench.data.images import GreyImages, draw_bits
from mae_bench.seeding import numpy_generator

LEVELS = 16
EVERY_LEVEL = torch.arange(LEVELS + 1, dtype=torch.uint8).reshape(1, 1, 1, LEVELS + 1)


def _assert_frequencies(ones: np.ndarray, draws: int, levels: int) -> None:
    """ones[g] of `draws` bits of grey level g: 0 and `levels` exactly, the others within 4.5 standard deviations."""
    probability = np.arange(levels + 1) / levels
    deviation = np.sqrt(draws * probability * (1 - probability))
    assert ones[0] == 0
    assert ones[-1] == draws
    assert (np.abs(ones - draws * probability) <= 4.5 * deviation).all()


@pytest.mark.parametrize("levels", [16, 255])
def test_training_bits_have_probability_grey_over_levels(levels):
    grey = torch.arange(levels + 1, dtype=torch.uint8).reshape(1, 1, 1, levels + 1)
    images = GreyImages(grey, levels, "bernoulli")
    draws = 40_000
    x = images.batch(torch.zeros(draws, dtype=torch.long), torch.Generator().manual_seed(0))
    assert x.dtype == torch.float32
    assert set(x.unique().tolist()) == {0.0, 1.0}
    _assert_frequencies(x.sum(0).flatten().numpy(), draws, levels)


@pytest.mark.parametrize("levels", [16, 255])
def test_fixed_bits_have_probability_grey_over_levels(levels):
    draws = 40_000
    grey = np.tile(np.arange(levels + 1, dtype=np.uint8), (draws, 1))
    bits = draw_bits(grey, levels, numpy_generator(0, "test bits"))
    _assert_frequencies(bits.sum(0), draws, levels)


def test_training_bits_are_fresh_and_follow_the_generator():
    images = GreyImages(EVERY_LEVEL, LEVELS, "bernoulli")
    indices = torch.zeros(50, dtype=torch.long)
    generator = torch.Generator().manual_seed(3)
    state = generator.get_state()
    first, second = images.batch(indices, generator), images.batch(indices, generator)
    assert not torch.equal(first, second)
    generator.set_state(state)
    assert torch.equal(images.batch(indices, generator), first)


def test_training_bits_need_a_generator():
    with pytest.raises(ValueError, match=r"pass context\.generator"):
        GreyImages(EVERY_LEVEL, LEVELS, "bernoulli").batch(torch.tensor([0]))


def test_fixed_bits_are_answered_with_or_without_a_generator():
    grey = torch.full((3, 1, 2, 2), 8, dtype=torch.uint8)
    bits = torch.tensor([False, False, True]).reshape(3, 1, 1, 1).expand_as(grey)
    images = GreyImages(grey, LEVELS, "bernoulli", bits)
    indices = torch.tensor([2, 1])
    expected = torch.tensor([1.0, 0.0]).reshape(2, 1, 1, 1).expand(2, 1, 2, 2)
    assert torch.equal(images.batch(indices), expected)
    assert torch.equal(images.batch(indices, torch.Generator()), expected)


def test_thresholded_is_strictly_above_one_half():
    x = GreyImages(EVERY_LEVEL, LEVELS, "bernoulli").thresholded(torch.tensor([0]))
    assert x.dtype == torch.float32
    assert x.flatten().tolist() == [0.0] * 9 + [1.0] * 8


def test_grey_levels_where_the_task_is_not_binary():
    images = GreyImages(EVERY_LEVEL, LEVELS, "discretized_logistic_mixture")
    expected = torch.linspace(0, 1, LEVELS + 1).reshape(1, 1, 1, LEVELS + 1)
    assert torch.equal(images.batch(torch.tensor([0])), expected)
    assert torch.equal(images.thresholded(torch.tensor([0])), expected)


def test_to_moves_grey_levels_and_bits():
    # The "meta" device is there on every machine.
    moved = GreyImages(EVERY_LEVEL, LEVELS, "bernoulli", EVERY_LEVEL > 3).to("meta")
    assert moved.grey.device.type == "meta"
    assert moved.bits.device.type == "meta"
