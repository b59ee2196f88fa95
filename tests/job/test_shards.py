"""Shards on disk answer exactly, and only for what they were made for."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from mae_bench.job.execute import execute
from mae_bench.job.shards import FOLDER, FinishedShards, hash_weights, remove_finished_shards
from mae_bench.metrics import density
from mae_bench.metrics.density import ShardScores
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import resolve_models

STANDS_ON = {"weights": "a", "seed": 0}


def scores(seed):
    rng = np.random.default_rng(seed)
    draw = lambda: rng.normal(size=7)  # noqa: E731
    return ShardScores({1: draw(), 4: draw(), 16: draw()}, draw(), draw(), np.full(7, np.inf))


def equal(one, other):
    return (
        one.nll_by_samples.keys() == other.nll_by_samples.keys()
        and all(np.array_equal(one.nll_by_samples[k], other.nll_by_samples[k]) for k in one.nll_by_samples)
        and all(
            np.array_equal(getattr(one, name), getattr(other, name))
            for name in ("reconstruction_error", "kl", "effective_sample_size")
        )
    )


def test_a_shard_comes_back_bit_for_bit(tmp_path):
    shards = FinishedShards(tmp_path, STANDS_ON)
    shards[0], shards[12] = scores(0), scores(12)
    again = FinishedShards(tmp_path, dict(STANDS_ON))
    assert equal(again[0], scores(0))
    assert equal(again[12], scores(12))
    assert not equal(again[0], scores(12))
    (tmp_path / FOLDER / "._000000.safetensors").touch()  # which macOS writes on a foreign disk
    assert list(again) == [0, 12]
    assert again.get(1) is None


@pytest.mark.parametrize("other", [{"weights": "b", "seed": 0}, {"weights": "a", "seed": 1}, {"weights": "a"}])
def test_a_stale_shard_never_answers(tmp_path, other):
    FinishedShards(tmp_path, STANDS_ON)[3] = scores(3)
    assert FinishedShards(tmp_path, other).get(3) is None
    FinishedShards(tmp_path, other)[3] = scores(4)
    assert FinishedShards(tmp_path, STANDS_ON).get(3) is None


def test_a_damaged_shard_is_as_good_as_absent(tmp_path):
    shards = FinishedShards(tmp_path, STANDS_ON)
    shards[0] = scores(0)
    (file,) = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-8])
    assert shards.get(0) is None
    file.write_bytes(b"")
    assert shards.get(0) is None


@pytest.mark.parametrize(
    "content",
    [
        save({"kl": np.zeros(1)}),
        save({"kl": np.zeros(1)}, metadata={"other": "{}"}),
        save({"kl": np.zeros(1)}, metadata={"about": "no JSON"}),
        b"no safetensors",
        None,
    ],
    ids=["no metadata", "nothing about it", "not JSON", "not safetensors", "not there"],
)
def test_whatever_is_wrong_with_a_file_it_is_as_good_as_absent(tmp_path, content):
    shards = FinishedShards(tmp_path, STANDS_ON)
    shards[0] = scores(0)
    (file,) = tmp_path.rglob("*.safetensors")
    if content is None:
        file.unlink()
        file.mkdir()
    else:
        file.write_bytes(content)
    assert shards.get(0) is None
    assert shards.earlier_seconds == 0


def test_shards_are_removed(tmp_path):
    shards = FinishedShards(tmp_path, STANDS_ON)
    shards[0], shards[1] = scores(0), scores(1)
    del shards[0]
    assert len(shards) == 1
    remove_finished_shards(tmp_path)
    assert list(tmp_path.iterdir()) == []
    remove_finished_shards(tmp_path)


def test_other_weights_have_another_hash():
    weights = {"layer": torch.zeros(2, 3)}
    assert hash_weights(weights) == hash_weights({"layer": torch.zeros(2, 3)})
    others = [{"layer": torch.zeros(3, 2)}, {"other": torch.zeros(2, 3)}, {"layer": torch.full((2, 3), 1e-30)}]
    assert len({hash_weights(other) for other in [weights, *others]}) == 4


def test_an_evaluation_goes_on_where_it_was_cut_off(mnist_500_task, tmp_path, monkeypatch):
    """The second session scores only what the first did not, to the same record; its clock counts both sessions."""
    [job] = plan(resolve_models("vlae"), [mnist_500_task], "smoke", [0])
    scored = []
    score_shard = density.score_shard

    def score(*arguments, shard, **settings):
        if fail_at == shard:
            raise KeyboardInterrupt
        scored.append(shard)
        return score_shard(*arguments, shard=shard, **settings)

    def run(folder):
        return execute(job, working_directory=tmp_path / folder, device="cpu", progress=lambda *_: None)

    monkeypatch.setattr(density, "score_shard", score)
    fail_at = None
    whole = run("whole")
    scored.clear()
    fail_at = 1
    with pytest.raises(KeyboardInterrupt):
        run("parts")
    fail_at = None
    about_first = FinishedShards(tmp_path / "parts", {})
    assert list(about_first) == [0]
    resumed = run("parts")
    assert scored == [0, 1]
    assert resumed.metrics == whole.metrics
    assert resumed.nll_by_samples == whole.nll_by_samples


def test_the_clock_counts_the_sessions_before(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("mae_bench.job.shards.time.monotonic", lambda: now[0])
    first = FinishedShards(tmp_path, STANDS_ON)
    for shard, seconds in enumerate((5.0, 7.0)):
        now[0] += seconds
        first[shard] = scores(shard)
    second = FinishedShards(tmp_path, STANDS_ON)
    assert second.earlier_seconds == 0
    assert second.get(0) is not None
    assert second.get(1) is not None
    assert second.get(2) is None
    assert second.earlier_seconds == pytest.approx(12.0)
