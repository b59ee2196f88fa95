"""What a model answers is checked before it becomes a number, and asking leaves no trace."""

import random

import numpy as np
import pytest
import torch
from torch import Tensor

from mae_bench.adapter import Adapter, DataSpec, DiagonalGaussian, ImportanceTerms
from mae_bench.foundation.errors import MaeBenchError
from mae_bench.metrics.answers import (
    ask_importance_terms,
    ask_posterior,
    ask_representation,
    first_not_finite,
    seeded,
)

X = torch.zeros(3, 1, 2, 2)


def draws() -> tuple[list[float], float, float]:
    return torch.rand(3).tolist(), float(np.random.rand()), random.random()


def test_all_three_generators_are_seeded_inside_and_put_back_after() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    expected = draws()
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    inside = []
    for seed in (5, 5, 6):
        with seeded(seed, torch.device("cpu")):
            inside.append(draws())
    assert draws() == expected
    assert inside[0] == inside[1]
    assert all(one != other for one, other in zip(inside[1], inside[2], strict=True))


def test_they_are_put_back_after_an_error_too() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    expected = draws()
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    with pytest.raises(ZeroDivisionError), seeded(5, torch.device("cpu")):
        draws()
        raise ZeroDivisionError
    assert draws() == expected


class Answering(Adapter):
    """Answers every question with `answer`."""

    def __init__(self, answer: Tensor, second: Tensor | None = None) -> None:
        super().__init__(DataSpec((1, 2, 2), "bernoulli", 10, 2), "smoke")
        self.answer, self.second = answer, answer if second is None else second

    def encode(self, x: Tensor) -> Tensor:
        return self.answer

    def posterior(self, x: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(self.answer, self.second)

    def importance_terms(self, x: Tensor, samples: int) -> ImportanceTerms:
        return ImportanceTerms(self.answer, self.answer, self.second)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_good_answers_come_in_float64_and_representations_in_float32(dtype: torch.dtype) -> None:
    model = Answering(torch.ones(3, 4, dtype=dtype))
    terms, gaussian = ask_importance_terms(model, X, 4), ask_posterior(model, X)
    for tensor in (terms.log_likelihood, terms.log_prior, terms.log_posterior, gaussian.mean, gaussian.log_variance):
        assert (tensor.dtype, tensor.shape) == (torch.float64, (3, 4))
    assert ask_representation(model, X).dtype == np.float32


@pytest.mark.parametrize(
    "answer",
    [
        torch.ones(3, 4, dtype=torch.float16),
        torch.ones(3, 4, dtype=torch.int64),
        torch.ones(3, 4, 1),
        torch.ones(12),
        torch.ones(4, 4),
        torch.ones(2, 4),
        torch.ones(3, 0),
    ],
    ids=lambda answer: f"{answer.dtype} {list(answer.shape)}",
)
def test_wrong_types_and_shapes_are_refused(answer: Tensor) -> None:
    for ask in (
        lambda: ask_representation(Answering(answer), X),
        lambda: ask_posterior(Answering(answer), X),
        lambda: ask_importance_terms(Answering(answer), X, 4),
    ):
        with pytest.raises(MaeBenchError, match="Answering"):
            ask()


def test_a_log_variance_has_the_size_of_its_mean_and_a_term_has_a_column_for_each_sample() -> None:
    with pytest.raises(MaeBenchError, match="log_variance"):
        ask_posterior(Answering(torch.ones(3, 4), torch.ones(3, 5)), X)
    with pytest.raises(MaeBenchError, match="log_posterior"):
        ask_importance_terms(Answering(torch.ones(3, 4), torch.ones(3, 5)), X, 4)


def test_the_first_term_that_is_not_finite_anywhere_is_named() -> None:
    good, bad = torch.zeros(2, 2), torch.tensor([[0.0, 0.0], [0.0, torch.inf]])
    assert first_not_finite(ImportanceTerms(good, bad, bad)) == "log_prior"
    assert first_not_finite(ImportanceTerms(good, good, bad)) == "log_posterior"
    assert first_not_finite(ImportanceTerms(good, good, good)) == "log_weights"
