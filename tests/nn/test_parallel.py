"""Passes in parts: the same values, of every row once, in parts of the right size on threads that compute alone."""

import threading

import pytest
import torch

from mae_bench.nn import parallel
from mae_bench.nn.parallel import in_parts

WIDE = parallel.ACTIVATIONS // parallel.LEAST_ROWS
"""Activations of a row that leave a part no more than its least number of rows."""


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


class Noted:
    """A function of rows that notes of each call how many rows, the thread, its number of threads, and gradients."""

    def __init__(self):
        self.calls = []

    def __call__(self, x, y):
        value = x.exp().sum(1) * y
        self.calls.append((len(x), threading.get_ident(), torch.get_num_threads(), torch.is_grad_enabled()))
        return value

    def rows(self):
        return sorted(call[0] for call in self.calls)


def pair(rows):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, 50, generator=generator), torch.randn(rows, generator=generator)


@pytest.mark.parametrize("rows", [1, 15, 16, 31, 32, 100, 1000])
def test_the_values_and_their_order_are_those_of_one_call(threads, rows):
    tensors, noted = pair(rows), Noted()
    with torch.no_grad():
        found = in_parts(noted, tensors, activations=WIDE, most_rows=rows)
        assert torch.equal(found, Noted()(*tensors))
    assert sum(noted.rows()) == rows
    assert min(noted.rows()) >= min(rows, parallel.LEAST_ROWS)


def test_each_part_is_computed_by_one_thread_alone_and_nothing_changes_for_others(threads):
    parallel._single_threads.cache_clear()
    noted = Noted()
    with torch.no_grad():
        in_parts(noted, pair(48), activations=WIDE, most_rows=48)
    assert noted.rows() == [16, 16, 16]
    assert {(alone, gradients) for _, _, alone, gradients in noted.calls} == {(1, False)}
    assert (threading.get_ident() in {call[1] for call in noted.calls}) == (threads == 1)
    assert torch.get_num_threads() == threads
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [threads]


def test_parts_fit_the_activations_and_are_one_for_each_thread_at_least(threads):
    def sizes(rows, activations):
        noted = Noted()
        with torch.no_grad():
            in_parts(noted, pair(rows), activations=activations, most_rows=rows)
        return noted.rows()

    assert sizes(192, WIDE // 2) == [32] * 6
    assert sizes(192, 1) == [192 // threads] * threads
    assert sizes(31, WIDE) == [31]


def test_one_part_is_computed_by_all_threads_right_here(threads):
    noted = Noted()
    with torch.no_grad():
        in_parts(noted, pair(20), activations=WIDE, most_rows=20)
    assert noted.calls == [(20, threading.get_ident(), threads, False)]


def test_with_gradients_it_is_one_call(threads):
    (x, y), noted = pair(100), Noted()
    (gradient,) = torch.autograd.grad(
        in_parts(noted, (x.requires_grad_(), y), activations=WIDE, most_rows=100).sum(), x
    )
    assert noted.calls == [(100, threading.get_ident(), threads, True)]
    torch.testing.assert_close(gradient, x.detach().exp() * y[:, None])


@pytest.mark.parametrize("gradients", [True, False])
def test_no_part_has_more_rows_than_asked(threads, gradients):
    noted = Noted()
    with torch.set_grad_enabled(gradients):
        in_parts(noted, pair(20), activations=1, most_rows=7)
    assert noted.rows() == [6, 7, 7]


def test_what_a_part_raises_is_raised(threads):
    def fail(x):
        raise ValueError(f"{len(x)} rows")

    with torch.no_grad(), pytest.raises(ValueError, match="16 rows"):
        in_parts(fail, (torch.zeros(64),), activations=WIDE, most_rows=64)
