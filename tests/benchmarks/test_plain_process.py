"""The process of the plain networks times what it is asked to."""

import pytest
import torch

from benchmarks.plain_process import PlainProcess
from benchmarks.reference import PlainMAE


@pytest.fixture(scope="module")
def plain():
    model = PlainMAE()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.01)
    with PlainProcess(model.state_dict(), "cpu") as process:
        yield process


@pytest.mark.parametrize(
    ("name", "x", "arguments"),
    [
        ("nll", torch.zeros(1, 1, 28, 28), (2,)),
        ("training_step", torch.zeros(2, 1, 28, 28), ()),
        ("sample", torch.zeros(1, 32), (1,)),
    ],
)
def test_what_it_is_asked_takes_some_time(plain, name, x, arguments):
    assert 0 < plain.seconds(name, x, *arguments) < 60


def test_ten_times_the_passes_take_longer(plain):
    one, many = (min(plain.seconds("sample", torch.zeros(1, 32), passes) for _ in range(2)) for passes in (1, 10))
    assert many > 2 * one
