"""What every likelihood obeys, held against models that break it one by one."""

from dataclasses import replace
from math import inf, log, nextafter, prod

import pytest
import torch
from torch import Tensor, nn

from mae_bench.adapter import Adapter, DataSpec, DiagonalGaussian, ImportanceTerms, NotSupported
from mae_bench.metrics.laws import SAMPLES, broken_laws
from mae_bench.metrics.outcome import Measurement, Outcome

SPEC = DataSpec((1, 8, 8), "bernoulli", 100, 10)
KL = Outcome([Measurement("kl", 3.0, 0.1, 500)], {})


class Sound(Adapter):
    """Independent pixels given two Gaussian dimensions, all of its densities normalised."""

    def __init__(self, data: DataSpec = SPEC) -> None:
        super().__init__(data, "smoke")
        torch.manual_seed(0)
        self.encoder, self.decoder = nn.Linear(64, 4), nn.Linear(2, 64)

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        mean, log_variance = self.encoder(x.flatten(1)).chunk(2, dim=1)
        return DiagonalGaussian(mean, log_variance)

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x).mean

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        posterior = self.posterior(x)
        z = posterior.sample(samples)
        prior = DiagonalGaussian(torch.zeros_like(posterior.mean), torch.zeros_like(posterior.mean))
        pixels = torch.distributions.Bernoulli(logits=self.decoder(z)).log_prob(x.flatten(1).unsqueeze(1))
        return ImportanceTerms(pixels.sum(-1), prior.log_density(z), posterior.log_density(z))


class Averaged(Sound):
    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        terms = super().importance_terms(x, samples)
        return replace(terms, log_likelihood=terms.log_likelihood / 64)


class Divided(Sound):
    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        terms = super().importance_terms(x, samples)
        return replace(terms, log_likelihood=terms.log_likelihood / samples)


class Repeated(Sound):
    """NLL of one sample, but the mean of the densities for many."""

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        terms = super().importance_terms(x, samples)
        return replace(terms, log_likelihood=terms.log_likelihood + log(samples))


class Mixing(Sound):
    def posterior(self, x: Tensor) -> DiagonalGaussian:
        return super().posterior(x - x.mean(0))


class Infinite(Sound):
    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        terms = super().importance_terms(x, samples)
        return replace(terms, log_prior=terms.log_prior - torch.inf)


class Sampling(Sound):
    """Its representation is a draw, which is no matter of this law."""

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x).sample(1).squeeze(1)


class Uniform(Adapter):
    """An exact likelihood: every image is as probable as any other."""

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        values = 2 if self.data.likelihood == "bernoulli" else 256
        log_likelihood = x.new_full((len(x), samples), -self.data.dimensions * log(values))
        return ImportanceTerms(log_likelihood, torch.zeros_like(log_likelihood), torch.zeros_like(log_likelihood))


def laws(model: Adapter, values: int = 2, outcome: Outcome = KL) -> tuple[str, ...]:
    torch.manual_seed(1)
    x = torch.randint(values, (8, *model.data.shape)).float() / (values - 1)
    return broken_laws(model, x, values, outcome, seed=0)


@pytest.mark.parametrize("model", [Sound(), Sampling(), Uniform(SPEC, "smoke")], ids=lambda model: type(model).__name__)
def test_a_likelihood_breaks_no_law(model):
    assert laws(model) == ()


def test_levels_have_their_own_share():
    spec = replace(SPEC, likelihood="discretized_logistic_mixture")
    assert laws(Uniform(spec, "smoke"), 256) == ()
    assert "image of random values" in laws(Uniform(SPEC, "smoke"), 256)[0], "bits are no levels"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Averaged(), "averaged over pixels"),
        (Divided(), "by calls for one sample and"),
        (Repeated(), "by calls for one sample and"),
        (Mixing(), "encode of an image changes with the images beside it"),
        (Infinite(), "a log-weight is not finite"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Adapter) else "",
)
def test_what_breaks_a_law_is_named(model, said):
    assert any(said in clause for clause in laws(model)), laws(model)


def test_the_share_is_that_of_markov():
    """Random images may have e^13.8 times their share, a millionfold, and no more."""
    share = prod(SPEC.shape) * log(2)

    class Concentrated(Uniform):
        excess = 0.0

        def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
            terms = super().importance_terms(x, samples)
            return replace(terms, log_likelihood=terms.log_likelihood + self.excess)

    model = Concentrated(SPEC, "smoke")
    for excess, broken in ((0.0, False), (13.5, False), (14.0, True)):
        model.excess = excess
        found = [clause for clause in laws(model) if "random values" in clause]
        assert bool(found) == broken
    assert f"{share:.4g}" in found[0]


@pytest.mark.parametrize(("kl", "broken"), [(3.0, False), (0.0, False), (-0.5, False), (-0.7, True), (None, False)])
def test_a_negative_kl_beyond_noise(kl, broken):
    found = laws(Sound(), outcome=Outcome([Measurement("kl", kl, 0.1, 500)], {}))
    assert any("below zero" in clause for clause in found) == broken


def test_a_negative_kl_is_broken_beyond_six_standard_errors_and_a_thousandth_of_a_nat():
    bound = -6.0 * 0.1 - 1e-3
    for kl, broken in ((bound, False), (nextafter(bound, -inf), True)):
        found = laws(Sound(), outcome=Outcome([Measurement("kl", kl, 0.1, 500)], {}))
        assert bool(found) == broken


class OneOfMany(Sound):
    """Wrong where `samples` meets `wrong`, for the image in `row` alone; error: nats on its log-weights."""

    wrong, row, error = "many", 3, inf

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        terms = super().importance_terms(x, samples)
        if (samples > 1) == (self.wrong == "many") and len(x) > self.row:
            terms.log_likelihood[self.row] += self.error
        return terms


@pytest.mark.parametrize("error", [inf, -inf])
@pytest.mark.parametrize("wrong", ["many", "single"])
def test_a_weight_of_one_image_that_is_not_finite_is_found_in_either_call(wrong, error):
    model = OneOfMany()
    model.wrong, model.error = wrong, error
    assert "a log-weight is not finite" in laws(model)


@pytest.mark.parametrize("error", [-30.0, 30.0])
def test_one_image_whose_calls_disagree_is_enough_whichever_finds_more(error):
    model = OneOfMany()
    model.error = error
    assert any("by calls for one sample" in clause for clause in laws(model))


def test_of_random_images_one_is_enough():
    model = OneOfMany()
    model.error = 1000.0
    assert any("random values" in clause for clause in laws(model))


def test_the_call_that_mixes_is_the_one_that_is_named():
    class Encoding(Mixing):
        def encode(self, x: Tensor) -> Tensor:
            return Sound.posterior(self, x).mean

    assert laws(Encoding()) == ("posterior of an image changes with the images beside it",)


@pytest.mark.parametrize("values", [2, 256])
def test_random_images_have_all_values_from_0_to_1(values):
    class Watched(Uniform):
        def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
            seen.append(x)
            return super().importance_terms(x, samples)

    seen: list[Tensor] = []
    likelihood = "bernoulli" if values == 2 else "discretized_logistic_mixture"
    model = Watched(DataSpec((1, 32, 32), likelihood, 100, 10), "smoke")
    assert laws(model, values) == ()
    levels = (seen[-1] * (values - 1)).unique()
    assert torch.allclose(levels, torch.arange(values).float(), atol=1e-4)


def test_everything_is_asked_in_evaluation_mode():
    class Watched(Sound):
        def posterior(self, x: Tensor) -> DiagonalGaussian:
            assert not self.training
            return super().posterior(x)

    assert laws(Watched().train()) == ()


def test_without_a_likelihood_only_the_representation_is_asked():
    class Encoder(Adapter):
        def encode(self, x: Tensor) -> Tensor:
            return x.flatten(1)

        def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
            raise NotSupported("it has none")

    assert laws(Encoder(SPEC, "smoke"), outcome=Outcome([], {"nll": "it has none"})) == ()


def test_no_random_state_moves():
    model = Sound()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    broken_laws(model, torch.zeros(8, 1, 8, 8), 2, KL, seed=0)
    assert torch.equal(torch.rand(3), expected)
    assert SAMPLES > 1
