"""The likelihood of a task's images decides which networks a VAE is made of."""

import pytest

from mae_bench.adapter import DataSpec
from mae_bench.vae.binary.decoders import PixelCNNDecoder, ResNetDecoder
from mae_bench.vae.flows import MapFlowPrior, UnitFlowPrior
from mae_bench.vae.natural.decoders import PixelCNNPlusPlusDecoder, ResNetMixtureDecoder
from mae_bench.vae.networks import autoregressive_networks, factorised_networks

MNIST = DataSpec((1, 28, 28), "bernoulli", 58_000, 10)
CIFAR10 = DataSpec((3, 32, 32), "discretized_logistic_mixture", 48_000, 10)


@pytest.mark.parametrize(
    ("networks", "data", "decoder", "prior"),
    [
        (autoregressive_networks, MNIST, PixelCNNDecoder, UnitFlowPrior),
        (factorised_networks, MNIST, ResNetDecoder, UnitFlowPrior),
        (autoregressive_networks, CIFAR10, PixelCNNPlusPlusDecoder, MapFlowPrior),
        (factorised_networks, CIFAR10, ResNetMixtureDecoder, MapFlowPrior),
    ],
)
def test_the_likelihood_decides_on_the_networks_and_a_wrong_preset_is_a_sentence(networks, data, decoder, prior):
    made = networks(data, "smoke")
    assert type(made.decoder) is decoder
    assert type(made.prior) is prior
    with pytest.raises(ValueError, match="there is no preset 'huge'; choose one of paper, medium, small, smoke"):
        networks(data, "huge")
