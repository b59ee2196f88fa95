import pytest

from mae_bench.executors.local import check_threads, choose_device
from mae_bench.foundation.errors import UsageError


def test_devices_are_tried_out(monkeypatch):
    import torch

    assert choose_device("cpu") == "cpu"
    for name in ("meta", "gpu", "cuda:99"):
        with pytest.raises(UsageError, match=f"device '{name}' cannot be used here"):
            choose_device(name)
    for there, chosen in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert choose_device("auto") == chosen


@pytest.mark.parametrize(
    ("given", "found"), [(None, None), ("", None), ("  ", None), ("4", "4"), (" +2 ", "+2"), ("4, 2,1", "4, 2,1")]
)
def test_the_number_of_threads_is_what_openmp_can_read(monkeypatch, given, found):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert check_threads() == found
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize("given", ["abc", "0", "-1", "2x", "2.5", ",", "4,,2", "4,-1", "4 2", "2147483648", "٣"])
def test_anything_else_is_a_usage_error_from_whoever_chooses_a_device(monkeypatch, given):
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    with pytest.raises(UsageError, match=r"^OMP_NUM_THREADS is '.*', which is no number of threads; set it to .*\.$"):
        choose_device("cpu")
