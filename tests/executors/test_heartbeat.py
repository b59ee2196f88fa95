import json
import os
import time

import pytest

from mae_bench.executors import heartbeat as heartbeat_module
from mae_bench.executors.heartbeat import Heartbeat
from mae_bench.planning.plan import Job, ModelReference
from mae_bench.records.curve import CURVE_FILE, read_curve
from mae_bench.records.progress import PROGRESS_FILE, STALE_SECONDS, all_progress, read_progress


@pytest.fixture
def job(digits_task):
    return Job(ModelReference("mae", "mae", (), "a" * 64), digits_task, "smoke", 3)


def test_a_job_leaves_its_last_word(job, tmp_path):
    with Heartbeat(tmp_path / "job", job, "cuda:1") as heartbeat:
        running = read_progress(tmp_path / "job" / PROGRESS_FILE)
        assert (running.state, running.device, running.pid) == ("running", "cuda:1", os.getpid())
        assert (running.key, running.title) == (job.key, job.title)
        heartbeat.progress("training", 5, 10, "epoch 1")
        heartbeat.end("failed", "the loss is not a number.")
    (ended,) = all_progress(tmp_path)
    assert (ended.state, ended.failure) == ("failed", "the loss is not a number.")
    assert (ended.stage, ended.done, ended.total, ended.note) == ("training", 5, 10, "epoch 1")
    assert "metrics" not in json.loads((tmp_path / "job" / PROGRESS_FILE).read_text())


def test_an_interrupted_job_says_that_it_was_stopped(job, tmp_path):
    with pytest.raises(KeyboardInterrupt), Heartbeat(tmp_path, job, "cpu"):
        raise KeyboardInterrupt
    assert read_progress(tmp_path / PROGRESS_FILE).state == "stopped"


def test_the_heart_beats_while_a_call_lasts(job, tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat_module, "HEARTBEAT_SECONDS", 0.01)
    with Heartbeat(tmp_path, job, "cpu") as heartbeat:
        heartbeat.progress("evaluating", 1, 2, "")
        first = read_progress(tmp_path / PROGRESS_FILE).updated
        deadline = time.monotonic() + 20
        while read_progress(tmp_path / PROGRESS_FILE).updated == first:
            assert time.monotonic() < deadline
        assert read_progress(tmp_path / PROGRESS_FILE).stage == "evaluating"


def test_the_curve_is_kept_until_the_job_is_done(job, tmp_path, monkeypatch):
    """It is written when there are more epochs; what a job that failed leaves stays."""
    rows = [row(epoch) for epoch in (1, 2)]
    path = tmp_path / CURVE_FILE
    monkeypatch.setattr(heartbeat_module, "HEARTBEAT_SECONDS", 0.01)
    with Heartbeat(tmp_path, job, "cpu") as heartbeat:
        assert not path.exists()
        for count in (1, 2):
            heartbeat.curve(rows[:count])
            deadline = time.monotonic() + 20
            while [one.epoch for one in read_curve(path)] != list(range(1, count + 1)):
                assert time.monotonic() < deadline
        heartbeat.end("failed", "no.")
    assert [one.model_dump(mode="json") for one in read_curve(path)] == rows
    with Heartbeat(tmp_path, job, "cpu") as heartbeat:
        heartbeat.end("done")
    assert not path.exists()


def row(epoch):
    row = {"epoch": epoch, "step": 10 * epoch, "learning_rate": 0.5, "train": {"loss": 9.0}}
    return {**row, "validation_negative_elbo": 8.0, "validation_loss": None}


def test_a_silent_job_is_stale_while_it_says_that_it_runs(job, tmp_path):
    with Heartbeat(tmp_path, job, "cpu") as heartbeat:
        running = read_progress(tmp_path / PROGRESS_FILE)
        heartbeat.end("done")
    assert not running.is_stale(running.updated + STALE_SECONDS)
    assert running.is_stale(running.updated + STALE_SECONDS + 1)
    assert not running.is_stale(running.updated - STALE_SECONDS)
    assert running.is_stale(running.updated - STALE_SECONDS - 1)
    assert not read_progress(tmp_path / PROGRESS_FILE).is_stale(running.updated + 1e6)


def test_the_time_left_goes_by_the_pace_of_this_session(job, tmp_path, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(heartbeat_module.time, "time", lambda: now[0])
    with Heartbeat(tmp_path, job, "cpu") as heartbeat:
        heartbeat.progress("training", 40, 100, "")  # resumed at step 40
        assert heartbeat._progress.seconds_left() is None
        now[0] = 1030.0
        heartbeat.progress("training", 50, 100, "")
        heartbeat.end("stopped")
    assert read_progress(tmp_path / PROGRESS_FILE).seconds_left() == pytest.approx(30 / 10 * 50)


def test_a_file_that_cannot_be_written_or_read_is_no_error(job, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with Heartbeat(tmp_path / "file", job, "cpu") as heartbeat:
        heartbeat.end("done")
    assert read_progress(tmp_path / "file" / PROGRESS_FILE) is None
    (tmp_path / PROGRESS_FILE).write_text("{")
    assert read_progress(tmp_path / PROGRESS_FILE) is None
    assert list(all_progress(tmp_path)) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("updated", "NaN"),
        pytest.param("updated", "-Infinity"),
        pytest.param("updated", '"nan"'),
        pytest.param("updated", "1e999"),
        pytest.param("done", "9" * 5000, id="done-too-large"),
        pytest.param("note", f'"{"a" * 2**23}"', id="a-file-too-large"),
        pytest.param("title", "null"),
        pytest.param("state", '"flying"'),
    ],
)
def test_a_file_that_no_job_writes_is_not_read(job, tmp_path, field, value):
    with Heartbeat(tmp_path, job, "cpu") as heartbeat:
        heartbeat.end("done")
    path = tmp_path / PROGRESS_FILE
    content = {name: json.dumps(known) for name, known in json.loads(path.read_text()).items()}
    text = "{" + ", ".join(f'"{name}": {known}' for name, known in (content | {field: value}).items()) + "}"
    path.write_text(text)
    assert read_progress(path) is None
    path.write_text(text.replace(value, content[field]))
    assert read_progress(path) is not None
    link = tmp_path / "link.json"
    link.symlink_to(path)
    assert read_progress(link) is None


def test_a_failure_and_a_note_of_any_length_can_be_read_again(job, tmp_path):
    with Heartbeat(tmp_path, job, "cpu") as heartbeat:
        heartbeat.progress("training", 1, 2, "n" * 9000)
        heartbeat.end("failed", "f" * 9000)
    ended = read_progress(tmp_path / PROGRESS_FILE)
    assert ended.failure.startswith("fff") and ended.note.startswith("nnn")


def test_a_time_left_beyond_all_floats_is_unknown(job, tmp_path):
    with Heartbeat(tmp_path, job, "cpu") as heartbeat:
        heartbeat.end("done")
    progress = read_progress(tmp_path / PROGRESS_FILE)
    absurd = progress.model_copy(update={"stage_started": -1e308, "done": 1, "total": 2**62})
    assert absurd.seconds_left() is None
