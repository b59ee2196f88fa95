"""The MLP networks: sizes of Burda et al. (2016) and the likelihood by enumeration."""

from itertools import product

import pytest
import torch

from mae_bench.adapter import DataSpec
from mae_bench.vae import mlp_networks
from mae_bench.vae.binary.mlp import MLPDecoder


def test_preset_paper_has_the_published_sizes():
    networks = mlp_networks(DataSpec((1, 28, 28), "bernoulli", 100, 10), "paper")
    shapes = {tuple(layer.direction.shape) for layer in networks.encoder.modules() if hasattr(layer, "direction")}
    assert shapes == {(200, 784), (200, 200)}
    assert networks.posterior.parameters_of.direction.shape == (100, 200)
    shapes = [tuple(layer.direction.shape) for layer in networks.decoder.modules() if hasattr(layer, "direction")]
    assert shapes == [(200, 50), (200, 200), (784, 200)]


def test_the_likelihood_sums_to_one_over_all_images_and_is_that_of_the_samples():
    torch.manual_seed(0)
    decoder = MLPDecoder((1, 2, 2), 3, (8,))
    images = torch.tensor(list(product((0.0, 1.0), repeat=4))).view(-1, 1, 2, 2)
    z = 2 * torch.randn(1, 3)
    probability = decoder.log_likelihood(images, z.expand(16, -1)).exp()
    assert float(probability.detach().sum()) == pytest.approx(1, abs=1e-5)
    drawn = decoder.sample(z.expand(20000, -1)).flatten(1)
    counts = torch.bincount((drawn @ torch.tensor([8.0, 4.0, 2.0, 1.0])).long(), minlength=16) / 20000
    torch.testing.assert_close(counts, probability.detach(), atol=0.015, rtol=0)
