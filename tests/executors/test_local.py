import pytest

from mae_bench.executors.local import choose_device
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
