"""Two jobs at once on one GPU, each in its own process: the records of one job after another."""

from collections.abc import Callable
from pathlib import Path

import torch

from mae_bench.records.progress import all_progress
from tests.gpu.commands import records, run, same_but_for_rounding
from tests.gpu.subject import DEVICE, ON_GPU


def test_two_jobs_on_one_gpu(tmp_path: Path, alone: Path, figure: Callable[..., None]) -> None:
    device = f"{DEVICE.type}:0" if ON_GPU else str(DEVICE)
    run(tmp_path, "--jobs", "2", "--device", device)
    found, expected = records(tmp_path), records(alone)
    assert found.keys() == expected.keys() == {"vlae", "resnet_vae"}
    for name, record in found.items():
        same_but_for_rounding(record, expected[name])
        assert record.environment.device == (torch.cuda.get_device_name(0) if ON_GPU else "cpu")
        if ON_GPU:
            assert record.peak_memory_mib["cuda"] > 1
            figure(f"GPU memory of {name}, digits smoke", f"{record.peak_memory_mib['cuda']:.0f} MiB", "of its record")
    first, second = all_progress(tmp_path)
    assert first.pid != second.pid
    assert max(first.started, second.started) < min(first.updated, second.updated), "they did not run at once"
