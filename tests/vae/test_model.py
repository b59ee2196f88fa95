"""The VAE's answers against its parts asked one by one, its likelihood by enumeration, and its initialisation."""

from contextlib import contextmanager

import pytest
import torch
from torch.distributions import Normal

from mae_bench.adapter import DataSpec
from mae_bench.metrics.density import importance_weighted_nll
from mae_bench.nn.weight_norm import WeightNormalised
from mae_bench.vae import ELBO, VAE, MutualPosteriorDivergence, autoregressive_networks, factorised_networks
from mae_bench.vae.flows import UnitFlowPrior

NETWORKS = [autoregressive_networks, factorised_networks]


def make_vae(networks=autoregressive_networks, size=5, preset="smoke", objective=None, disturbance=0.2):
    torch.manual_seed(0)
    data = DataSpec((1, size, size), "bernoulli", 100, 10)
    vae = VAE(data, preset, networks=networks(data, preset), objective=objective or ELBO(data.dimensions))
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.add_(disturbance * torch.randn_like(parameter))
    return vae


def make_bits(count, size=5):
    return torch.bernoulli(torch.full((count, 1, size, size), 0.4), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("networks", NETWORKS)
def test_importance_terms_are_the_log_densities_of_the_parts(networks):
    vae, x = make_vae(networks), make_bits(4)
    with torch.no_grad():
        torch.manual_seed(2)
        terms = vae.importance_terms(x, 3)
        torch.manual_seed(2)
        posterior = vae.posterior(x)
        std = torch.exp(0.5 * posterior.log_variance)
        z = posterior.mean[:, None] + std[:, None] * torch.randn(4, 3, 8)
        of_posterior = Normal(posterior.mean[:, None], std[:, None]).log_prob(z).sum(-1)
        of_prior = torch.stack([vae.prior.log_density(row) for row in z])
        of_images = torch.stack([vae.decoder.log_likelihood(x, z[:, k]) for k in range(3)], dim=1)
    for found, expected in [
        (terms.log_posterior, of_posterior),
        (terms.log_prior, of_prior),
        (terms.log_likelihood, of_images),
    ]:
        assert found.shape == (4, 3)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("networks", NETWORKS)
def test_into_how_many_parts_a_pass_is_cut_changes_nothing(monkeypatch, networks):
    vae, x = make_vae(networks), make_bits(16)
    answers = []
    for activations in (1, vae.decoder.activations, 10**9):
        monkeypatch.setattr(vae.decoder, "activations", activations)
        torch.manual_seed(2)
        with torch.no_grad():
            answers.append((vae.importance_terms(x, 9), torch.rand(1)))  # the same draws are taken
    expected, expected_draw = answers[0]
    for terms, draw in answers[1:]:
        torch.testing.assert_close(terms.log_likelihood, expected.log_likelihood, rtol=1e-5, atol=1e-4)
        assert torch.equal(terms.log_prior, expected.log_prior)
        assert torch.equal(terms.log_posterior, expected.log_posterior)
        assert torch.equal(draw, expected_draw)


class LittleMemory:
    """Stands in for a decoder on a GPU that runs out of memory above `most` rows; notes how many it was asked for."""

    def __init__(self, decoder, most):
        self.decoder, self.most, self.asked = decoder, most, []

    def log_likelihood(self, x, z):
        self.asked.append(len(x))
        if len(x) > self.most:
            raise torch.OutOfMemoryError("out of memory")
        return self.decoder(x, z)


@pytest.mark.usefixtures("one_thread")
def test_an_evaluation_that_runs_out_of_memory_goes_on_in_smaller_parts_with_the_same_draws(monkeypatch):
    vae, x = make_vae(), make_bits(4)
    torch.manual_seed(2)
    with torch.no_grad():
        expected = vae.importance_terms(x, 9)
    memory = LittleMemory(vae.decoder.log_likelihood, most=10)
    monkeypatch.setattr(vae.decoder, "log_likelihood", memory.log_likelihood)
    torch.manual_seed(2)
    with torch.no_grad():
        found = vae.importance_terms(x, 9)
        assert memory.asked == [36, 18, 9, 9, 9, 9]
        vae.importance_terms(x, 9)
    assert memory.asked[6:] == [9, 9, 9, 9]  # it does not try in vain again
    for name in ("log_likelihood", "log_prior", "log_posterior"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-5, atol=1e-4)


@pytest.mark.usefixtures("one_thread")
def test_of_an_odd_number_of_rows_the_larger_half_is_tried_whatever_the_lack_is_called(monkeypatch):
    class NoEngine(LittleMemory):
        def log_likelihood(self, x, z):
            try:
                return super().log_likelihood(x, z)
            except torch.OutOfMemoryError as error:
                raise RuntimeError("GET was unable to find an engine to execute this computation") from error

    vae, x = make_vae(), make_bits(5)
    memory = NoEngine(vae.decoder.log_likelihood, most=2)
    monkeypatch.setattr(vae.decoder, "log_likelihood", memory.log_likelihood)
    with torch.no_grad():
        vae.importance_terms(x, 1)
    assert memory.asked == [5, 3, 2, 2, 1]


@pytest.mark.usefixtures("one_thread")
def test_no_memory_for_one_row_or_for_a_training_batch_is_an_error(monkeypatch):
    vae, x = make_vae(), make_bits(4)
    memory = LittleMemory(vae.decoder.log_likelihood, most=0)
    monkeypatch.setattr(vae.decoder, "log_likelihood", memory.log_likelihood)
    with torch.no_grad(), pytest.raises(torch.OutOfMemoryError):
        vae.importance_terms(x, 2)
    assert memory.asked == [8, 4, 2, 1]
    memory.asked.clear()
    with pytest.raises(torch.OutOfMemoryError):
        make = make_vae()
        monkeypatch.setattr(make.decoder, "log_likelihood", memory.log_likelihood)
        make.loss(x)  # a batch is part of the protocol
    assert memory.asked == [4]


@pytest.mark.parametrize("networks", NETWORKS)
def test_a_changed_parameter_is_seen_by_the_next_call(networks):
    vae, x = make_vae(networks), make_bits(4)

    def answer():
        torch.manual_seed(2)
        with torch.no_grad():
            return vae.importance_terms(x, 3).log_weights

    before, weights = answer(), {name: value.clone() for name, value in vae.state_dict().items()}
    optimiser = torch.optim.Adam(vae.parameters(), 0.01)
    vae.loss(x).total.backward()
    optimiser.step()
    stepped = answer()
    assert not torch.equal(stepped, before)
    vae.load_state_dict(weights)
    assert torch.equal(answer(), before)
    with torch.no_grad():
        for parameter in vae.decoder.parameters():
            parameter.add_(0.1)
    assert not torch.equal(answer(), before)
    vae.load_state_dict(weights)
    x = x.double()
    assert vae.double().importance_terms(x, 3).log_likelihood.dtype == torch.float64  # no weight of before is kept


@pytest.mark.parametrize("networks", NETWORKS)
def test_encode_is_the_posterior_mean_and_the_posterior_has_both_halves(networks):
    vae, x = make_vae(networks), make_bits(4)
    with torch.no_grad():
        posterior = vae.posterior(x)
        assert torch.equal(vae.encode(x), posterior.mean)
        both = vae.posterior_of.parameters_of(vae.encoder(x))
    assert torch.equal(posterior.mean, both[:, :8])
    assert torch.equal(posterior.log_variance, both[:, 8:])


@pytest.mark.parametrize("objective", [ELBO(25), ELBO(25, 5.0), MutualPosteriorDivergence(1.0, 0.5)])
def test_loss_is_made_of_the_importance_terms_of_one_sample(objective):
    vae, x = make_vae(objective=objective), make_bits(6)
    torch.manual_seed(2)
    loss = vae.loss(x)
    torch.manual_seed(2)
    terms = vae.importance_terms(x, 1)
    error = -terms.log_likelihood[:, 0]
    kl = terms.log_posterior[:, 0] - terms.log_prior[:, 0]
    expected = objective(error, kl, vae.posterior(x))
    assert loss.terms["reconstruction_error"].item() == pytest.approx(error.mean().item(), rel=1e-5)
    assert loss.terms["kl"].item() == pytest.approx(kl.mean().item(), rel=1e-5)
    assert loss.total.item() == pytest.approx(expected.total.item(), rel=1e-5)
    assert set(loss.terms) == set(expected.terms)


@pytest.mark.parametrize("networks", NETWORKS)
def test_samples_and_reconstructions_are_bits(networks):
    vae, x = make_vae(networks), make_bits(6)
    for images in (vae.sample(7), vae.reconstruct(x)):
        assert images.shape[1:] == (1, 5, 5)
        assert ((images == 0) | (images == 1)).all()
        assert 0 < images.mean() < 1
        assert not images.requires_grad
    assert len(vae.sample(7)) == 7
    assert len(vae.reconstruct(x)) == 6


def test_reconstructions_follow_the_image_and_samples_the_prior():
    """With z = the posterior mean: the pixel means of many reconstructions are the decoder's probabilities."""
    vae, x = make_vae(factorised_networks, 3), make_bits(2, 3)
    vae.initialise(make_bits(64, 3))
    with torch.no_grad():
        expected = torch.sigmoid(vae.decoder.logits(vae.posterior(x).mean))
        torch.manual_seed(2)
        found = vae.reconstruct(x.repeat_interleave(4000, 0)).view(2, 4000, 1, 3, 3).mean(1)
        assert (expected[0] - expected[1]).abs().max() > 0.05
        assert (found - expected).abs().max() < 4 * 0.5 / 4000**0.5
        torch.manual_seed(3)
        z = vae.prior.sample(4000)
        marginal = torch.sigmoid(vae.decoder.logits(z)).mean(0)
        assert (vae.sample(4000).mean(0) - marginal).abs().max() < 4 * 0.5 * (2 / 4000) ** 0.5


@pytest.mark.parametrize("networks", NETWORKS)
def test_the_likelihood_of_the_whole_vae_sums_to_one(networks):
    """Sum over all 2^9 images of exp(-NLL), by importance weighting.

    The mean of K weights is an unbiased estimate of p(x), independent between images, so the sum has the variance
    sum_x Var(w) / K. It is finite if the posterior is broad and the prior's tails are nearly Gaussian, as made here.
    """
    samples = 100
    vae = make_vae(networks, 3, disturbance=0.1)
    with torch.no_grad():
        vae.posterior_of.parameters_of.scale.fill_(0.3)
        vae.posterior_of.parameters_of.bias[8:] = 0.7  # log-variances
        for step in vae.prior.steps:
            for layer in step.log_scale.children():
                layer.scale.mul_(0.2)
    numbers = torch.arange(512)[:, None] >> torch.arange(8, -1, -1)
    x = (numbers % 2).float().view(512, 1, 3, 3)
    with torch.no_grad():
        torch.manual_seed(2)
        terms = vae.importance_terms(x, samples)
        mean = vae.encode(x)
    likelihoods = torch.exp(-importance_weighted_nll(terms)).double()
    stderr = float((terms.log_weights.double().exp().var(1) / samples).sum().sqrt())
    assert stderr < 0.015
    assert float(likelihoods.sum()) == pytest.approx(1, abs=4 * stderr)
    assert mean.std(0).min() > 0.01  # the posteriors differ between images
    assert likelihoods.max() > 2 * likelihoods.min()


@contextmanager
def outputs_of_layers(vae):
    """{name: (mean, std) of each output unit, and which units are fully masked} of every layer that runs within."""
    seen, handles = {}, []
    for name, layer in vae.named_modules():
        if isinstance(layer, WeightNormalised):

            def record(layer, inputs, y, name=name):
                std, mean = torch.std_mean(y.transpose(0, 1).flatten(1), dim=1, correction=0)
                masked = torch.zeros(len(mean), dtype=torch.bool)
                if layer.mask is not None:
                    masked = (layer.mask.expand_as(layer.direction) == 0).flatten(1).all(1)
                seen[name] = mean, std, masked

            handles.append(layer.register_forward_hook(record))
    yield seen
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("networks", NETWORKS)
@pytest.mark.parametrize(("preset", "size"), [("smoke", 3), ("small", 5), ("paper", 8)])
def test_after_initialisation_every_layer_has_mean_zero_and_its_standard_deviation(networks, preset, size):
    """Layer by layer: were one fitted before those beneath it, its output here would be off."""
    vae, x = make_vae(networks, size, preset, disturbance=0), make_bits(64, size)
    torch.manual_seed(2)
    vae.initialise(x)
    torch.manual_seed(2)  # the same z, once more through every layer
    with torch.no_grad(), outputs_of_layers(vae) as outputs:
        z = vae.posterior(x).sample(1).squeeze(1)
        vae.prior.log_density(z)
        vae.decoder.log_likelihood(x, z)
    layers = {name for name, module in vae.named_modules() if isinstance(module, WeightNormalised)}
    assert set(outputs) == layers
    for name, (mean, std, masked) in outputs.items():
        scale = 0.1 if name.startswith("prior") else 1.0
        assert mean.abs().max() < 1e-3 * scale, name
        assert torch.equal(std < 1e-6, masked), name
        assert (std[~masked] - scale).abs().max() < 2e-3 * scale, name
    fully_masked = sum(int(masked.sum()) for _, _, masked in outputs.values())
    assert fully_masked == 4 * len(vae.prior.steps)  # the first unit of each MADE, in two layers
    assert vae.posterior(x).mean.requires_grad  # training goes on from here


def test_initialisation_is_over_once_it_has_run():
    vae, x = make_vae(), make_bits(64)
    vae.initialise(x)
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    vae.loss(make_bits(9))
    assert all(torch.equal(value, before[name]) for name, value in vae.state_dict().items())


def test_initialisation_is_in_evaluation_mode():
    class Watched(torch.nn.Module):
        def forward(self, x):
            modes.append(self.training)
            return x

    modes = []
    vae = make_vae()
    vae.encoder = torch.nn.Sequential(vae.encoder, Watched())
    vae.train()
    vae.initialise(make_bits(64))
    assert modes == [False]


def test_a_sample_is_decoded_from_a_draw_of_the_prior(monkeypatch):
    vae = make_vae()
    drawn = torch.arange(24.0).view(3, 8)
    monkeypatch.setattr(vae.prior, "sample", lambda count: drawn[:count])
    monkeypatch.setattr(vae.decoder, "sample", lambda z: z)
    assert torch.equal(vae.sample(2), drawn[:2])
    assert torch.equal(vae.reconstruct(make_bits(4)), vae.posterior(make_bits(4)).mean)


def test_parts_can_be_chosen_on_their_own():
    data = DataSpec((1, 5, 5), "bernoulli", 100, 10)
    networks = factorised_networks(data, "smoke")._replace(prior=UnitFlowPrior(8, steps=1, hidden=4))
    vae = VAE(data, "smoke", networks=networks, objective=MutualPosteriorDivergence(1.0, 0.5, "mean"))
    assert len(vae.prior.steps) == 1
    assert vae.loss(make_bits(4)).total.isfinite()
