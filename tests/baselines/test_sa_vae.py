"""SA-VAE's inference: it raises the ELBO, and training differentiates through it."""

import pytest
import torch

from mae_bench.adapter import DataSpec
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.registry import build_adapter, resolve_models

BITS = DataSpec((1, 5, 5), "bernoulli", 100, 10)


def build(written):
    (reference,) = resolve_models(written)
    torch.manual_seed(0)
    return build_adapter(reference, BITS, "smoke")


@pytest.fixture
def x():
    return torch.bernoulli(torch.full((6, 1, 5, 5), 0.4), generator=torch.Generator().manual_seed(1))


def negative_elbo(model, x):
    torch.manual_seed(2)
    with torch.no_grad():
        terms = model.importance_terms(x, 4000)
        return (terms.log_posterior - terms.log_prior - terms.log_likelihood).mean(1)


def test_more_steps_leave_a_better_elbo_for_every_image(x):
    bounds = [negative_elbo(build(f"sa_vae[steps={steps}]").eval(), x) for steps in (0, 5, 20)]
    assert (bounds[1] < bounds[0]).all()
    assert (bounds[2] < bounds[1]).all()


def test_without_steps_it_is_the_plain_vae(x):
    losses = []
    for written in ("vae", "sa_vae[steps=0]"):
        model = build(written)
        torch.manual_seed(1)
        losses.append(model.loss(x).total.detach())
    torch.testing.assert_close(*losses)


def test_training_differentiates_through_the_steps(x):
    """The gradient of the loss equals differences, which see every path; without the steps' own it would not."""
    model = build("sa_vae[steps=3]").double()

    def loss():
        torch.manual_seed(1)
        return model.loss(x.double()).total

    weights = [model.encoder[1][0].bias, next(model.decoder.parameters())]
    for weight, gradient in zip(weights, torch.autograd.grad(loss(), weights), strict=True):
        place = int(gradient.abs().argmax())
        values = []
        with torch.no_grad():
            for change in (1e-5, -2e-5):
                weight.view(-1)[place] += change
                values.append(float(loss()))
            weight.view(-1)[place] += 1e-5
        assert gradient.flatten()[place] == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5)


def test_the_posterior_is_of_the_image_alone(x):
    model = build("sa_vae").eval()
    with torch.no_grad():
        torch.testing.assert_close(model.posterior(x).mean[2:3], model.posterior(x[2:3]).mean)
        assert not model.posterior(x).mean.requires_grad


def test_a_negative_number_of_steps_is_a_usage_error():
    with pytest.raises(UsageError, match="steps must not be negative, and is -1"):
        build("sa_vae[steps=-1]")
