"""Checkpoints give back what was put in, bit for bit, and refuse what is not one."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mae_bench.foundation.errors import TrainingError
from mae_bench.job.checkpoint import load_checkpoint, save_checkpoint, under_prefix, with_prefix


def test_tensors_and_state_come_back_as_they_were(tmp_path: Path) -> None:
    shared = torch.arange(6.0)
    tensors = {
        "plain": torch.randn(3, 4),
        "transposed": torch.randn(3, 4).T,
        "view": shared[:3],
        "same memory": shared,
        "bytes": torch.get_rng_state(),
        "scalar": torch.tensor(7, dtype=torch.int64),
        "empty": torch.zeros(0),
    }
    state = {"step": 3, "rate": 0.1 + 0.2, "best": None, "curve": [{"epoch": 1}]}
    save_checkpoint(tmp_path / "file", tensors, state)
    found, found_state = load_checkpoint(tmp_path / "file")
    assert found_state == state
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_there_is_none_before_the_first(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "file") is None


def test_a_pickle_or_a_cut_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "file"
    save_checkpoint(path, {"a": torch.zeros(100)}, {})
    for content in (path.read_bytes()[:-40], pickle.dumps({"a": 1}), b""):
        path.write_bytes(content)
        with pytest.raises(TrainingError, match=r"cannot be read \(.*delete it"):
            load_checkpoint(path)


@pytest.mark.parametrize("metadata", [None, {"other": "{}"}, {"state": "no JSON"}])
def test_a_file_without_a_state_is_refused_in_one_sentence(tmp_path: Path, metadata: dict[str, str] | None) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "file", metadata=metadata)
    with pytest.raises(TrainingError, match=r"cannot be read \(.*delete it"):
        load_checkpoint(tmp_path / "file")


def test_a_folder_in_its_place_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"cannot be read \(.*delete it"):
        load_checkpoint(tmp_path)


def test_prefixes_part_and_join() -> None:
    one = {"a.b": torch.ones(1)}
    together = {**with_prefix("weights", one), **with_prefix("weights of others", {"c": torch.zeros(1)})}
    assert under_prefix("weights", together) == one
