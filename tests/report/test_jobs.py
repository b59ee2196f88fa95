import io
import re

import pytest
from rich.console import Console

import mae_bench.report.jobs as jobs_module
from mae_bench.planning.plan import Job, ModelReference
from mae_bench.records.progress import PROGRESS_FILE, STALE_SECONDS, JobProgress, all_progress
from mae_bench.records.store import Store
from mae_bench.report.jobs import JobsLines, JobsTable, draw, job_rows, jobs_display

NOW = 1_000_000.0


@pytest.fixture
def jobs(digits_task):
    params = (("eta", 1.0),)
    return [Job(ModelReference("mae", "mae", params, "a" * 64), digits_task, "smoke", seed) for seed in range(6)]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


@pytest.fixture
def says(store):
    """`says(job, state, ...)`: the job's process writes that."""

    def says(job, state, updated=NOW, **fields):
        fields = {"device": "cuda:1", "host": "node3", "pid": 1, "started": NOW - 100, "updated": updated} | fields
        progress = JobProgress(key=job.key, title=job.title, state=state, **fields)
        path = store.working_directory(job) / PROGRESS_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(progress.model_dump_json())

    return says


TRAINING = {
    "stage": "training",
    "done": 30,
    "total": 100,
    "stage_from": 10,
    "stage_started": NOW - 40,
    "note": "epoch 4/10, loss 20.00, best validation -ELBO 21.50",
}


def test_every_state_has_its_word(jobs, store, says, record_of):
    says(jobs[0], "running", **TRAINING)
    says(jobs[1], "running", updated=NOW - STALE_SECONDS - 300)
    says(jobs[2], "failed", failure="the loss is not a number.")
    says(jobs[3], "stopped", **TRAINING)
    store.save(record_of(jobs[4], "partial"))
    store.save(record_of(jobs[5]))
    says(jobs[5], "done")
    store.record_path(jobs[0]).with_name("broken.json").write_text('{"metrics": {}}')
    rows = job_rows(store.root, NOW)
    states = ["running", "stale: silent for 6 min", "failed", "stopped", "broken", "partial", "done"]
    assert [row.state for row in rows] == states
    assert rows[0].cells == (
        "digits smoke mae[eta=1.0] seed 0",
        "running",
        "cuda:1 of node3",
        "training 30/100",
        "epoch 4/10, loss 20.00, best validation -ELBO 21.50",
        "2 min",
    )
    assert rows[2].note == "the loss is not a number."
    assert rows[3].left == ""
    assert rows[6].title == jobs[5].title


def test_a_job_that_runs_again_is_running_whatever_its_record_says(jobs, store, says, record_of):
    store.save(record_of(jobs[0], "partial"))
    says(jobs[0], "running", **TRAINING)
    assert [row.state for row in job_rows(store.root, NOW)] == ["running"]


def test_a_record_counts_whatever_an_old_run_said_last(jobs, store, says, record_of):
    store.save(record_of(jobs[0]))
    says(jobs[0], "failed", failure="once.")
    assert [row.state for row in job_rows(store.root, NOW)] == ["done"]


def test_a_word_from_the_future_is_not_believed(jobs, store, says):
    says(jobs[0], "running", updated=NOW + 400, **TRAINING)
    assert [row.state for row in job_rows(store.root, NOW)] == ["stale: dated 7 min in the future"]


def test_what_strangers_wrote_does_not_steer_the_terminal(jobs, store, says, make_record, monkeypatch):
    monkeypatch.setattr(jobs_module.time, "time", lambda: NOW)
    hostile = "\x1b]0;owned\x07\x1b[2J\u202e\r\n"
    says(jobs[0], "running", device=hostile, host=hostile, stage=hostile, note=hostile)
    says(jobs[1], "failed", failure=hostile)
    store.save(make_record("mae", params={"a": hostile}))
    shown, log = io.StringIO(), io.StringIO()
    Console(file=shown, width=1000, force_terminal=True, color_system=None).print(draw(job_rows(store.root, NOW)))
    with jobs_display(jobs, store, log) as display:
        display.write_running()
    for text in (shown.getvalue(), log.getvalue()):
        assert r"\x1b]0;owned" in text
        assert all(character.isprintable() or character == "\n" for character in text)
    assert len(log.getvalue().splitlines()) == 1


def test_what_a_system_hides_in_a_store_is_no_job(jobs, store, says, record_of, tmp_path):
    says(jobs[0], "running")
    saved = store.save(record_of(jobs[1]))
    saved.with_name(f"._{saved.name}").write_bytes(b"\x00\x05\x16\x07")
    hidden = Store(store.root / ".snapshot")
    hidden.save(record_of(jobs[2]))
    progress = store.working_directory(jobs[0]) / PROGRESS_FILE
    (hidden.root / jobs[3].key).mkdir()
    (hidden.root / jobs[3].key / PROGRESS_FILE).write_bytes(progress.read_bytes())
    assert [row.title for row in job_rows(store.root, NOW)] == [jobs[0].title, jobs[1].title]
    assert [one.key for one in all_progress(store.root)] == [jobs[0].key]


def test_an_empty_folder_has_no_jobs(tmp_path):
    assert job_rows(tmp_path, NOW) == []


def test_a_log_has_a_line_for_each_that_runs_and_each_that_ends(jobs, store, says, monkeypatch):
    monkeypatch.setattr(jobs_module.time, "time", lambda: NOW)
    stream = io.StringIO()
    with jobs_display(jobs, store, stream) as display:
        assert isinstance(display, JobsLines)
        display.progress("data of digits", 0, 1, "")
        display.progress("data of digits", 1, 1, "")
        says(jobs[0], "running", **TRAINING)
        says(jobs[1], "running", updated=NOW - STALE_SECONDS - 1)
        display.write_running()
        display.end(jobs[0].title, "done in 3 s")
        display.write_running()
        display.end(jobs[1].title, "failed: no.")
    assert stream.getvalue().splitlines() == [
        "  data of digits",
        "  digits smoke mae[eta=1.0] seed 0, cuda:1 of node3: training 30/100 "
        "epoch 4/10, loss 20.00, best validation -ELBO 21.50, 2 min left",
        "[1/6] digits smoke mae[eta=1.0] seed 0: done in 3 s",
        "[2/6] digits smoke mae[eta=1.0] seed 1: failed: no.",
    ]


def test_jobs_of_equal_titles_both_end(jobs, store):
    stream = io.StringIO()
    with jobs_display([jobs[0], jobs[0]], store, stream) as display:
        display.end(jobs[0].title, "done in 3 s")
        display.end(jobs[0].title, "done in 4 s")
    assert [line.partition(" ")[0] for line in stream.getvalue().splitlines()] == ["[1/2]", "[2/2]"]


def test_a_log_gets_its_lines_by_itself(jobs, store, says, monkeypatch):
    monkeypatch.setattr(jobs_module, "SECONDS_BETWEEN_LINES", 0.01)
    monkeypatch.setattr(jobs_module.time, "time", lambda: NOW)
    says(jobs[0], "running", **TRAINING)
    written = jobs_module.threading.Event()

    class Stream(io.StringIO):
        def write(self, text):
            written.set()
            return super().write(text)

    with jobs_display(jobs, store, Stream()):
        assert written.wait(20)


def test_a_terminal_gets_a_table_that_shows_brackets_as_they_are(jobs, store, says, monkeypatch, terminal):
    monkeypatch.setattr(jobs_module.time, "time", lambda: NOW)
    stream = terminal(200)
    with jobs_display(jobs, store, stream) as display:
        assert isinstance(display, JobsTable)
        says(jobs[0], "running", **TRAINING)
        display.end(jobs[1].title, "done in 3 s")
        stream.wait_for("training 30/100")
    text = stream.getvalue()
    assert "[1/6] digits smoke mae[eta=1.0] seed 1: done in 3 s" in text
    for shown in ("mae[eta=1.0] seed 0", "cuda:1 of node3", "best validation -ELBO 21.50", "2 min"):
        assert shown in text
    assert "6 jobs: 1 ended, 1 running, 4 waiting" in text


def test_a_table_is_plain_where_there_is_no_terminal(jobs, store, says):
    says(jobs[0], "running", **TRAINING)
    stream = io.StringIO()
    Console(file=stream, width=1000).print(draw(job_rows(store.root, NOW)))
    (row,) = (line for line in stream.getvalue().splitlines() if "seed 0" in line)
    assert re.split(r"\s{2,}", row.strip())[:3] == ["digits smoke mae[eta=1.0] seed 0", "running", "cuda:1 of node3"]
