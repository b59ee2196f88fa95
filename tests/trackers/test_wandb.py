"""What Weights & Biases keeps offline of a job that was followed, stopped and resumed."""

import json
import struct
import time

import pytest

from mae_bench.foundation.errors import UsageError
from mae_bench.records.store import json_files
from mae_bench.review.check import check_records
from mae_bench.trackers import TrackedJob
from mae_bench.trackers.following import Following, scores_of, values_of
from mae_bench.trackers.registry import load_tracker

pytest.importorskip("wandb", reason="Weights & Biases is not installed: make test-trackers")


@pytest.fixture(autouse=True)
def _no_account(monkeypatch, tmp_path):
    for name in ("WANDB_MODE", "WANDB_PROJECT", "WANDB_API_KEY", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no_netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "wandb_config"))


@pytest.fixture
def follow(followed):
    def follow():
        record = followed.record
        job = TrackedJob(record.key, "digits", 2, "small", "vlae", {"latent": 8}, record.seed, "vlae[latent=8] seed 3")
        return Following(load_tracker("wandb"), followed.store.root / "wandb", job, followed.path, anew=False)

    return follow


def read(path):
    """All messages in a file, once the last is there: its own process writes it, a little after `finish` returns."""
    deadline = time.monotonic() + 30
    while "exit" not in [message.WhichOneof("record_type") for message in parse(path)]:
        assert time.monotonic() < deadline, "the run never ends"
        time.sleep(0.05)
    return list(parse(path))


def parse(path):
    """The messages in a file of an offline run: records of LevelDB's log, in blocks of 32 KiB, after 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, at, parts = path.read_bytes(), 7, b""
    while at + 7 <= len(content):
        if (left := 2**15 - at % 2**15) < 7:
            at += left
            continue
        length, kind = struct.unpack_from("<HB", content, at + 4)
        parts += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(parts)
            parts = b""


def named(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}


def test_curves_then_scores_and_pictures_in_files_of_one_run(follow, followed):
    root, record = followed.store.root, followed.record
    followed.write_epochs(2)
    follow().look(last=True)
    followed.store.save(record)
    followed.draw("samples")
    follow().look(last=True)
    files = sorted(root.glob("wandb/offline-run-*/run-*.wandb"))
    assert len(files) == 2  # one for each process; `wandb sync` joins them, since their run is the same
    messages = [message for file in files for message in read(file)]
    begun = [message.run for message in messages if message.WhichOneof("record_type") == "run"]
    assert len({run.run_id for run in begun}) == 1
    assert {run.run_group for run in begun} == {"digits small"}
    assert {run.display_name for run in begun} == {"vlae[latent=8] seed 3"}
    assert named(begun[0].config.update)["model.latent"] == 8
    rows = [named(message.history.item) for message in messages if message.WhichOneof("record_type") == "history"]
    curve = [row for row in rows if "train/loss" in row]
    assert [row["_step"] for row in curve] == [row.epoch for row in record.training.curve]
    for row, epoch in zip(curve, record.training.curve, strict=True):
        assert row.items() >= values_of(epoch).items()
    summary = {}
    for message in messages:
        summary |= named(message.summary.update)
    assert summary.items() >= scores_of(record).items()
    assert [row["samples/_type"] for row in rows if "samples/_type" in row] == ["image-file"]
    assert len(list(root.glob("wandb/offline-run-*/files/media/images/samples_*.png"))) == 1
    assert json_files(root) == [followed.path]


def test_a_store_is_verified_as_without_it(follow, followed, digits_task):
    followed.store.save(followed.record)
    before = check_records([followed.store.root], [digits_task]).faults
    follow().look(last=True)
    assert check_records([followed.store.root], [digits_task]).faults == before


def test_jobs_are_followed_side_by_side(followed, honest_record):
    """Two runs are open at a time, as with several jobs at once."""
    folder = followed.store.root / "wandb"
    others = []
    for seed in (7, 8):
        other = type(followed)(followed.store, honest_record("vlae", seed, 20.0, training={"epochs": 2}))
        job = TrackedJob(other.record.key, "digits", 2, "small", "vlae", {}, seed, f"vlae seed {seed}")
        others.append((other, Following(load_tracker("wandb"), folder, job, other.path, anew=False)))
    for count in (1, 2):
        for other, following in others:
            other.write_epochs(count)
            following.look()
    for _, following in others:
        following.look(last=True)
    for (other, _), file in zip(others, sorted(folder.glob("offline-run-*/run-*.wandb")), strict=True):
        rows = [named(message.history.item) for message in read(file) if message.HasField("history")]
        assert [row["_step"] for row in rows] == [1, 2], other.record.seed


def test_online_without_an_account_is_refused_before_anything_trains(tmp_path, monkeypatch):
    tracker = load_tracker("wandb")
    assert tracker.look(tmp_path / "my wandb") == f"wandb sync '{tmp_path}/my wandb'/offline-run-*"
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(UsageError, match=r"no account here \(UsageError: .*\); give the command wandb login, or set"):
        tracker.look(tmp_path)
