"""The networks for natural images: the specification written out, z everywhere, exact draws, and sound numbers."""

import pytest
import torch
import torch.nn.functional as F

from mae_bench.adapter import DataSpec
from mae_bench.nn.weight_norm import WeightNormalised
from mae_bench.vae import ELBO, VAE, MutualPosteriorDivergence, autoregressive_networks, factorised_networks
from mae_bench.vae.natural.encoder import MapPosterior, latent_size
from mae_bench.vae.natural.networks import NATURAL_SIZES

NETWORKS = [autoregressive_networks, factorised_networks]


def spec(side, channels=3):
    return DataSpec((channels, side, side), "discretized_logistic_mixture", 100, 10)


def make_vae(networks, side=6, preset="smoke", objective=None, disturbance=0.1):
    torch.manual_seed(0)
    data = spec(side)
    vae = VAE(data, preset, networks=networks(data, preset), objective=objective or ELBO(data.dimensions))
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.add_(disturbance * torch.randn_like(parameter))
    return vae


def make_images(count, side, channels=3):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (count, channels, side, side), generator=generator).float() / 255


def convolve(layer, x, **options):
    return F.conv2d(x, layer.weight(), layer.bias, **options)


def test_the_paper_encoder_is_the_specification_written_out():
    """Growth 15, 16, 16 in 3, 3, 6 steps, stride 2 between, 1x1 to 96 and to 32: 16 maps of 8x8, mean and variance."""
    networks = autoregressive_networks(spec(32), "paper")
    torch.manual_seed(0)
    images = make_images(2, 32)
    layers = list(networks.encoder.layers)
    strided, last = layers[1::3][:2], layers[-2]
    blocks = [layers[0], layers[3], layers[6]]
    with torch.no_grad():
        x = 2 * images - 1
        for number, (block, growth, steps) in enumerate(zip(blocks, (15, 16, 16), (3, 3, 6), strict=True)):
            assert len(block) == steps
            for step in block:
                hidden = F.elu(convolve(step.narrow, x))
                assert hidden.shape[1] == 4 * growth
                x = F.elu(torch.cat([x, convolve(step.spatial, hidden, padding=1)], dim=1))
            assert x.shape[1:] == [(48, 32, 32), (96, 16, 16), (192, 8, 8)][number]
            if number < 2:
                x = F.elu(convolve(strided[number], x, stride=2, padding=1))
        x = F.elu(convolve(last, x))
        assert x.shape[1:] == (96, 8, 8)
        torch.testing.assert_close(networks.encoder(images), x, rtol=1e-4, atol=1e-4)
        mean, log_variance = convolve(networks.posterior.parameters_of, x).split(16, dim=1)
        posterior = networks.posterior(x)
    torch.testing.assert_close(posterior.mean, mean.flatten(1))
    torch.testing.assert_close(posterior.log_variance, log_variance.flatten(1).clamp(-7, 7))
    assert posterior.mean.shape == (2, 1024)


def test_the_maps_of_z_have_a_quarter_of_the_sides_rounded_up():
    assert latent_size((3, 32, 32)) == (8, 8)
    assert latent_size((3, 9, 20)) == (3, 5)


def test_the_maps_of_the_pixelcnn_are_those_of_z_doubled_twice_with_elu_between():
    decoder = make_vae(autoregressive_networks, side=7).decoder
    convolutions = [layer for layer in decoder.into_maps if isinstance(layer, WeightNormalised)]
    z = torch.randn(3, 2 * 2 * 2)
    maps = z.view(3, 2, 2, 2)
    for layer in convolutions[:2]:
        maps = F.elu(
            F.conv_transpose2d(maps, layer.weight(), layer.bias, 2, padding=1, output_padding=layer.output_padding)
        )
    torch.testing.assert_close(decoder._maps(z), convolve(convolutions[2], maps))


def test_log_variances_are_clipped_to_seven():
    posterior = MapPosterior(4, 2)
    features = 1000 * torch.randn(3, 4, 2, 2)
    log_variance = posterior(features).log_variance
    assert log_variance.min() == -7
    assert log_variance.max() == 7


def test_sizes_of_the_paper_preset():
    prior = autoregressive_networks(spec(32), "paper").prior
    assert prior.shape == (16, 8, 8)
    assert len(prior.steps) == 8
    for step in prior.steps:
        for network in (step.shift, step.log_scale):
            assert network.first.direction.shape == (128, 16, 3, 3)
            assert network.second.direction.shape == (128, 128, 3, 3)
            assert network.third.direction.shape == (16, 128, 3, 3)
            assert network.direct.direction.shape == (16, 16, 3, 3)
    decoder = autoregressive_networks(spec(32), "paper").decoder
    maps = [tuple(layer.direction.shape[:2]) for layer in decoder.into_maps if isinstance(layer, WeightNormalised)]
    assert maps == [(16, 8), (8, 4), (16, 4)]  # transposed convolutions: inputs first
    assert len(decoder.pixelcnn.above) == len(decoder.pixelcnn.left) == 5
    for block in (*decoder.pixelcnn.above, *decoder.pixelcnn.left):
        assert block.spatial.direction.shape[:2] == (96, 192)
        assert block.gate.direction.shape[:2] == (192, 192)
        assert block.from_maps.direction.shape[:2] == (192, 16)
        assert block.dropout.p == 0.5
    assert decoder.pixelcnn.head.direction.shape == (100, 96, 1, 1)


def test_the_paper_residual_decoder_has_the_specified_stages():
    """Three blocks of 96 at 8x8, two of 96 at 16x16, two of 48 at 32x32, 1x1 to 100 maps."""
    decoder = factorised_networks(spec(32), "paper").decoder
    stages = []
    for layer in decoder.layers:
        layer.register_forward_hook(lambda module, seen, made: stages.append((type(module).__name__, *made.shape[1:3])))
    with torch.no_grad():
        assert decoder.mixture_maps(torch.randn(1, 1024)).shape == (1, 100, 32, 32)
    expected = [("Conv2d", 96, 8)] + 3 * [("ResidualBlock", 96, 8)]
    expected += [("ELU", 96, 8), ("ConvTranspose2d", 96, 16)] + 2 * [("ResidualBlock", 96, 16)]
    expected += [("ELU", 96, 16), ("ConvTranspose2d", 48, 32)] + 2 * [("ResidualBlock", 48, 32)]
    assert stages == [*expected, ("ELU", 48, 32), ("Conv2d", 100, 32)]


@pytest.mark.parametrize("networks", NETWORKS)
@pytest.mark.parametrize("side", [5, 8, 32])
def test_z_reaches_every_pixel(networks, side):
    vae = make_vae(networks, side)
    x, units = make_images(1, side), vae.prior.shape[0] * vae.prior.shape[1] * vae.prior.shape[2]
    z = torch.randn(1, units, requires_grad=True)
    maps = vae.decoder.mixture_maps(x, z) if networks is autoregressive_networks else vae.decoder.mixture_maps(z)
    reached = torch.zeros(units, dtype=torch.bool)
    for pixel in range(0, side * side, 1 if side < 32 else 7):
        (gradient,) = torch.autograd.grad(maps.flatten(2)[..., pixel].sum(), z, retain_graph=True)
        assert (gradient != 0).any(), pixel
        reached |= gradient[0] != 0
    assert reached.all()


def test_the_decoder_is_causal_at_every_pixel_and_sees_seven_by_four():
    decoder = make_vae(autoregressive_networks, 9).decoder
    x = make_images(1, 9).requires_grad_()
    maps = decoder.mixture_maps(x, torch.randn(1, 18))
    for pixel in range(81):
        (gradient,) = torch.autograd.grad(maps.flatten(2)[..., pixel].sum(), x, retain_graph=True)
        seen = (gradient[0] != 0).all(0)
        assert torch.equal(seen, (gradient[0] != 0).any(0))
        row, column = divmod(pixel, 9)
        expected = torch.zeros(9, 9, dtype=torch.bool)
        expected[max(0, row - 3) : row, max(0, column - 3) : column + 4] = True
        expected[row, max(0, column - 3) : column] = True
        assert torch.equal(seen, expected), pixel


def test_samples_are_what_the_plain_loop_draws():
    decoder = make_vae(autoregressive_networks, 5).decoder.double().eval()
    z = torch.randn(4, 8, dtype=torch.float64)
    with torch.no_grad():
        torch.manual_seed(2)
        found = decoder.sample(z)
        torch.manual_seed(2)
        expected = torch.zeros(4, 3, 5, 5, dtype=torch.float64)
        for row in range(5):
            for column in range(5):
                maps = decoder.mixture_maps(expected, z)[:, :, row : row + 1, column : column + 1]
                expected[:, :, row, column] = decoder.mixture.sample(maps)[..., 0, 0]
                expected[:, :, row, column + 1 :] = 0.5  # what is not yet drawn is not looked at
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(found * 255, (found * 255).round(), rtol=0, atol=1e-9)
    assert found.std() > 0.1


@pytest.mark.parametrize("networks", NETWORKS)
def test_samples_and_reconstructions_are_levels_between_0_and_1(networks):
    vae = make_vae(networks, 5).eval()
    for images in (vae.sample(3), vae.reconstruct(make_images(3, 5))):
        assert images.shape == (3, 3, 5, 5)
        assert ((images >= 0) & (images <= 1)).all()
        assert (images * 255 - (images * 255).round()).abs().max() < 1e-4
        assert not images.requires_grad


@pytest.mark.parametrize("networks", NETWORKS)
@pytest.mark.parametrize("preset", ["smoke", "small"])
def test_black_and_white_images_and_float64_agree_with_float32(networks, preset):
    """Finite, and within a thousandth of a nat a dimension of what float64 gives for the same z."""
    vae = make_vae(networks, 32, preset, disturbance=0.05).eval()
    vae.initialise(make_images(16, 32))
    x = torch.cat([torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32), make_images(2, 32)])
    with torch.no_grad():
        z = vae.posterior(x).sample(1)[:, 0]
        single = [vae.decoder.log_likelihood(x, z), vae.prior.log_density(z)]
        vae.double()
        double = [vae.decoder.log_likelihood(x.double(), z.double()), vae.prior.log_density(z.double())]
    for found, expected, dimensions in zip(single, double, (3072, z.shape[1]), strict=True):
        assert found.isfinite().all()
        assert (found.double() - expected).abs().max() / dimensions < 1e-3


@pytest.mark.parametrize("networks", NETWORKS)
@pytest.mark.parametrize("preset", NATURAL_SIZES)
@pytest.mark.parametrize("objective", [ELBO(192, 0.01), MutualPosteriorDivergence(0.5, 1.5)], ids=["ELBO", "MAE"])
def test_all_weights_get_finite_gradients(networks, preset, objective):
    vae = make_vae(networks, 8, preset, objective, disturbance=0)
    x = make_images(6, 8)
    vae.initialise(x)
    loss = vae.loss(x)
    loss.total.backward()
    assert loss.total.isfinite()
    for name, parameter in vae.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert (parameter.grad != 0).any(), name


@pytest.mark.parametrize("networks", NETWORKS)
def test_after_initialisation_every_layer_has_mean_zero_and_its_standard_deviation(networks):
    vae, x = make_vae(networks, 8, disturbance=0).train(), make_images(64, 8)
    for module in vae.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5  # as at preset paper; what is fitted is the network without it
    torch.manual_seed(2)
    vae.initialise(x)
    assert not vae.training
    seen = {}
    for name, layer in vae.named_modules():
        if isinstance(layer, WeightNormalised):

            def record(layer, inputs, y, name=name):
                seen[name] = torch.std_mean(y.transpose(0, 1).flatten(1), dim=1, correction=0), layer.initial_scale

            layer.register_forward_hook(record)
    torch.manual_seed(2)  # the same z, once more through every layer
    with torch.no_grad():
        z = vae.posterior(x).sample(1).squeeze(1)
        vae.prior.log_density(z)
        vae.decoder.log_likelihood(x, z)
    assert set(seen) == {name for name, layer in vae.named_modules() if isinstance(layer, WeightNormalised)}
    for name, ((std, mean), scale) in seen.items():
        assert scale == (0.1 if name.startswith("prior") or name.endswith("gate") else 1.0), name
        assert mean.abs().max() < 1e-3 * scale, name
        assert (std - scale).abs().max() < 2e-3 * scale, name


@pytest.mark.parametrize(
    ("networks", "channels", "side"), [(NETWORKS[0], 1, 3), (NETWORKS[1], 1, 7), (NETWORKS[0], 4, 6)]
)
def test_other_sizes_and_channels(networks, channels, side):
    data = spec(side, channels)
    vae = VAE(data, "smoke", networks=networks(data, "smoke"), objective=ELBO(data.dimensions)).eval()
    x = make_images(2, side, channels)
    terms = vae.importance_terms(x, 3)
    assert terms.log_likelihood.shape == terms.log_prior.shape == terms.log_posterior.shape == (2, 3)
    assert vae.sample(2).shape == vae.reconstruct(x).shape == (2, channels, side, side)
