"""Images drawn on a GPU: pixel for pixel those of the CPU if the draws are the same, and alike if they are not."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mae_bench.vae import VAE
from tests.gpu.same_draws import SameDraws
from tests.gpu.subject import TASKS, exact, make_model

SAME_IMAGES = 0.75
"""Of images drawn with the same numbers. One draw on the edge between two levels changes all pixels after it."""
FIVE_ERRORS = 5.0
"""Standard errors, between two means: one chance in a million."""

FEW_PIXELS = 1e-3
"""Of all, in images drawn twice from one seed."""

# The networks of mae are those of vlae.
different_networks = pytest.mark.parametrize(
    ("task", "name"), [(task, name) for task in TASKS for name in ("mae", "resnet_vae")]
)


@different_networks
def test_images_from_the_same_draws(figure: Callable[..., None], task: str, name: str) -> None:
    found, images = make_model(name, task).eval(), []
    for one in (exact(found), found):
        with SameDraws(9) as draws:
            images.append(one.sample(8).cpu().double())
    assert draws.count >= 2, "of z and of x"
    # A level is 1/255; what is left is the rounding of one.
    same = float(((images[0] - images[1]).abs() < 1e-4).flatten(1).all(1).double().mean())
    figure(f"images from the same draws, {name} {task}", f"{same:.0%}", "of 8 are equal in every pixel")
    assert same >= SAME_IMAGES
    assert images[0].std() > 0.1


def differing(one: Tensor, other: Tensor) -> float:
    """The share of pixels that are not the same level."""
    return float(((one - other).abs() > 1e-4).double().mean())


@different_networks
def test_statistics_of_images_from_draws_of_its_own(task: str, name: str) -> None:
    """Their means and their spread are those of images that the CPU draws; one seed gives the same images again."""
    count, model = 16, make_model(name, task).eval()

    def draw(one: VAE, seed: int) -> Tensor:
        torch.manual_seed(seed)
        return one.sample(count).cpu()

    here, again, other = draw(model, 10), draw(model, 10), draw(model, 11)
    # Some sums have no fixed order on a GPU, and a draw on the edge between two levels then falls on its other side.
    assert differing(here, again) <= FEW_PIXELS and differing(here, other) > 0.1
    images = torch.cat([here, other]), torch.cat([draw(make_model(name, task, torch.device("cpu")), s) for s in (1, 2)])
    for statistic in (lambda x: x.flatten(1).mean(1), lambda x: x.flatten(1).std(1)):
        a, b = (statistic(x.double()) for x in images)
        error = ((a.var() + b.var()) / len(a)).sqrt()
        assert (a.mean() - b.mean()).abs() <= FIVE_ERRORS * error
