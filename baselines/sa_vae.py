"""SA-VAE: the encoder's Gaussian refined for each image by gradient steps (Kim et al., ICML 2018)."""

import torch
from torch import Tensor

from mae_bench import DataSpec, DiagonalGaussian
from mae_bench.vae import ELBO, VAE, mlp_networks

RATE = 1 / 50
"""Of a step on an image's own ELBO: the published rate of 1 on the mean over a batch of 50."""
MOMENTUM = 0.5


class SemiAmortizedVAE(VAE):
    """Stochastic variational inference from where the encoder begins, with training through its steps (algorithm 1).

    On the network of `vae`, where the paper has a PixelCNN decoder. steps: of inference; 0 is `vae`. Each step sees one
    draw: a new one in training, in evaluation one that is kept, so that the posterior is a function of the image alone.
    Gradients through the steps are exact; the published code takes finite differences.
    """

    likelihoods = frozenset({"bernoulli"})
    noise: Tensor

    def __init__(self, data: DataSpec, preset: str, steps: int = 20) -> None:
        if steps < 0:
            raise ValueError(f"steps must not be negative, and is {steps}")
        networks = mlp_networks(data, preset)
        super().__init__(data, preset, networks=networks, objective=ELBO(data.dimensions))
        self.steps = steps
        units = self.prior.sample(1).shape[1]
        self.register_buffer("noise", torch.randn(steps, units))

    def initialise(self, x: Tensor) -> None:
        """Without inference, which would fit the decoder's layers again at every step."""
        steps, self.steps = self.steps, 0
        super().initialise(x)
        self.steps = steps

    def gaussian(self, x: Tensor) -> DiagonalGaussian:
        """q(z|x) after the steps: mean and log_variance [B, D]."""
        start = super().gaussian(x)
        through_the_steps = torch.is_grad_enabled()
        parameters = torch.stack([start.mean, start.log_variance])
        velocity = torch.zeros_like(parameters)
        with torch.enable_grad():
            for step in range(self.steps):
                parameters = parameters if through_the_steps else parameters.detach().requires_grad_()
                bound = self._negative_elbo(x, DiagonalGaussian(*parameters), step)
                (gradient,) = torch.autograd.grad(bound.sum(), parameters, create_graph=through_the_steps)
                velocity = MOMENTUM * velocity - gradient
                parameters = parameters + RATE * velocity
        return DiagonalGaussian(*(parameters if through_the_steps else parameters.detach()))

    def _negative_elbo(self, x: Tensor, posterior: DiagonalGaussian, step: int) -> Tensor:
        """Of each image from one draw, with the KL to N(0, I) in closed form: [B], nats."""
        mean, log_variance = posterior.mean, posterior.log_variance
        noise = torch.randn_like(mean) if self.training else self.noise[step]
        z = mean + torch.exp(0.5 * log_variance) * noise
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
        return kl - self.decoder.log_likelihood(x, z)
