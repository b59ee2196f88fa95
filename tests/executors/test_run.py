import errno
import io
from pathlib import Path

import pytest

import mae_bench.data
import mae_bench.job.execute
from mae_bench.executors import JobResult
from mae_bench.executors.local import InProcess
from mae_bench.executors.run import RunSummary, check_writable, kept_record, run_jobs
from mae_bench.executors.run_job import TRACEBACK_FILE
from mae_bench.foundation.errors import DataError, TrainingError, UsageError
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import Job, ModelReference
from mae_bench.records.store import Store
from mae_bench.report.progress import PlainDisplay


@pytest.fixture
def jobs(digits_task):
    return [Job(ModelReference(name, name, (), "a" * 64), digits_task, "smoke", 0) for name in ("mae", "vlae", "odd")]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


@pytest.fixture
def execution(monkeypatch, record_of):
    """Stands for `execute`: notes what it is called with, and answers with a record or raises what is in `faults`."""

    class Execution:
        def __init__(self):
            self.calls, self.faults, self.status = [], {}, "complete"

        def __call__(self, job, **settings):
            self.calls.append((job, settings))
            settings["working_directory"].mkdir(parents=True, exist_ok=True)
            settings["progress"]("training", 1, 1, "")
            if job.model.name in self.faults:
                raise self.faults[job.model.name]
            return record_of(job, self.status)

        @property
        def ran(self):
            return [job for job, _ in self.calls]

    execution = Execution()
    monkeypatch.setattr(mae_bench.job.execute, "execute", execution)
    return execution


@pytest.fixture
def run(store):
    """`run(jobs, ...)`: the summary; `run.lines` are those shown."""

    def run(jobs, overwrite="only-missing", exit_on_error=False, max_minutes=None):
        stream = io.StringIO()
        try:
            return run_jobs(
                jobs,
                store,
                InProcess("cpu"),
                JobSettings(max_minutes, checkpoint_minutes=2.0, compile=True),
                overwrite=overwrite,
                exit_on_error=exit_on_error,
                report=PlainDisplay(len(jobs), stream),
            )
        finally:
            run.lines = stream.getvalue().splitlines()

    return run


def kinds(summary):
    return [[job.model.name for job, _ in part] for part in (summary.done, summary.cached, summary.failed)]


def test_every_job_runs_once_and_is_then_found(run, jobs, store, execution):
    assert kinds(run(jobs, max_minutes=3.0)) == [["mae", "vlae", "odd"], [], []]
    assert [store.find(job).key for job in jobs] == [job.key for job in jobs]
    told = execution.calls[0][1]
    assert (told["device"], told["settings"]) == ("cpu", JobSettings(3.0, checkpoint_minutes=2.0, compile=True))
    assert told["working_directory"] == store.working_directory(jobs[0])
    assert kinds(run(jobs)) == [[], ["mae", "vlae", "odd"], []]
    assert execution.ran == jobs


def test_a_record_is_saved_before_the_next_job_starts(run, jobs, store, execution, monkeypatch):
    def last_fails(job, **settings):
        if job is jobs[-1]:
            assert [store.find(earlier) is not None for earlier in jobs] == [True, True, False]
            raise KeyboardInterrupt
        return execution(job, **settings)

    monkeypatch.setattr(mae_bench.job.execute, "execute", last_fails)
    with pytest.raises(KeyboardInterrupt):
        run(jobs)


@pytest.mark.parametrize(
    ("overwrite", "existing", "runs"),
    [
        ("only-missing", "complete", False),
        ("only-missing", "partial", True),
        ("always", "complete", True),
        ("always", "partial", True),
        ("never", "complete", False),
        ("never", "partial", False),
        ("never", None, True),
    ],
)
def test_what_the_strategies_do_with_what_exists(*, run, jobs, store, execution, record_of, overwrite, existing, runs):
    if existing:
        store.save(record_of(jobs[0], existing))
    assert (kept_record(store, jobs[0], overwrite) is None) == runs
    summary = run(jobs[:1], overwrite)
    assert (len(summary.done), len(summary.cached)) == (int(runs), int(not runs))
    assert len(execution.calls) == int(runs)
    assert store.find(jobs[0]).training.status == ("complete" if runs else existing)


@pytest.mark.parametrize(("overwrite", "kept"), [("always", False), ("only-missing", True)])
def test_only_a_run_of_everything_anew_drops_the_checkpoint(*, run, jobs, store, execution, overwrite, kept):
    checkpoint = store.working_directory(jobs[0]) / "training.safetensors"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    run(jobs[:1], overwrite)
    assert checkpoint.exists() == kept


def test_a_run_of_everything_anew_outlives_faulty_data(*, run, jobs, store, execution, record_of, monkeypatch):
    """The jobs that did not run are still to run, for every strategy but the one that keeps all records."""
    for job in jobs:
        store.save(record_of(job))

    def fail(task):
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr(mae_bench.data, "load_data", fail)
        with pytest.raises(
            UsageError, match=r"the data of task digits cannot be loaded \(OSError: no space\); see that"
        ):
            run(jobs, "always")
    assert kinds(run(jobs, "never")) == [[], ["mae", "vlae", "odd"], []]
    assert kinds(run(jobs)) == [["mae", "vlae", "odd"], [], []]
    assert kinds(run(jobs)) == [[], ["mae", "vlae", "odd"], []]


def test_a_broken_record_does_not_stop_the_run_that_goes_on(run, jobs, store, execution):
    path = store.record_path(jobs[0])
    path.parent.mkdir(parents=True)
    path.write_text("{")
    execution.faults["mae"] = TrainingError("no.")
    run(jobs[:1], "always")
    execution.faults.clear()
    assert kinds(run(jobs[:1])) == [["mae"], [], []]


def test_checkpoints_that_cannot_be_removed_are_named_with_a_remedy(run, jobs, store, monkeypatch):
    store.working_directory(jobs[0]).mkdir(parents=True)

    def refuse(folder):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("shutil.rmtree", refuse)
    with pytest.raises(UsageError, match=r"cannot be removed \(Permission denied\); remove that folder yourself, or"):
        run(jobs[:1], "always")


def test_partial_records_are_counted_and_said(run, jobs, execution):
    execution.status = "partial"
    assert run(jobs[:2], max_minutes=1.0).partial == 2
    assert run.lines[-1].endswith(", partial")
    assert run(jobs[:1], "never").partial == 1
    assert run.lines[-1].endswith("cached, partial")


def test_a_failed_job_does_not_stop_the_others_and_is_tried_again(run, jobs, store, execution):
    execution.faults["vlae"] = TrainingError("the loss is not a number.")
    summary = run(jobs)
    assert kinds(summary) == [["mae", "odd"], [], ["vlae"]]
    assert summary.failed[0][1] == "the loss is not a number."
    assert "[2/3] digits smoke vlae seed 0: failed" in run.lines
    assert not (store.working_directory(jobs[1]) / TRACEBACK_FILE).exists()
    execution.faults.clear()
    assert kinds(run(jobs)) == [["vlae"], ["mae", "odd"], []]


def test_an_unexpected_exception_is_one_line_and_its_traceback_a_file_until_the_job_succeeds(
    run, jobs, store, execution
):
    execution.faults["mae"] = ValueError("shapes differ\nand more")
    ((_, sentence),) = run(jobs).failed
    path = store.working_directory(jobs[0]) / TRACEBACK_FILE
    assert sentence == f"ValueError: shapes differ (the traceback is in {path})"
    assert "Traceback" in path.read_text()
    assert "and more" in path.read_text()
    execution.faults.clear()
    run(jobs)
    assert not path.exists()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "the store cannot be written to (No space left on device); make room, then run it again to resume it.",
        ),
        (OSError(errno.EIO, "I/O error"), "OSError: [Errno 5] I/O error (its traceback could not be written)"),
    ],
)
def test_a_record_that_cannot_be_saved_is_a_failed_job(*, run, jobs, execution, monkeypatch, error, sentence):
    def fail(*_arguments, **_settings):
        raise error

    monkeypatch.setattr(Store, "save", fail)
    monkeypatch.setattr(Path, "write_text", fail)
    assert [said for _, said in run(jobs).failed] == [sentence] * 3


def test_exit_on_error_stops_at_the_first_failure(run, jobs, execution):
    execution.faults["vlae"] = TrainingError("no.")
    assert kinds(run(jobs, exit_on_error=True)) == [["mae"], [], ["vlae"]]
    assert execution.ran == jobs[:2]


def test_a_broken_record_fails_its_job_alone_unless_everything_runs_anew(run, jobs, store, execution):
    path = store.record_path(jobs[0])
    path.parent.mkdir(parents=True)
    path.write_text("{")
    summary = run(jobs)
    assert kinds(summary) == [["vlae", "odd"], [], ["mae"]]
    assert path.name in summary.failed[0][1]
    assert kinds(run(jobs[:1], "always")) == [["mae"], [], []]
    assert store.find(jobs[0]) is not None


@pytest.mark.parametrize("fault", [DataError("mnist is damaged."), OSError("no space")])
def test_faulty_data_fail_their_jobs_before_anything_trains_and_others_go_on(
    *, run, jobs, execution, monkeypatch, mnist_500_task, fault
):
    loaded = []

    def load(task):
        assert not execution.calls
        loaded.append(task.name)
        if task is mnist_500_task:
            raise fault

    monkeypatch.setattr(mae_bench.data, "load_data", load)
    others = [Job(job.model, mnist_500_task, "smoke", 0) for job in jobs[:2]]
    summary = run([*others, *jobs])
    assert loaded == [mnist_500_task.name, "digits"]
    assert kinds(summary) == [["mae", "vlae", "odd"], [], ["mae", "vlae"]]
    assert execution.ran == jobs
    assert all(str(fault) in sentence for _, sentence in summary.failed)


def test_faulty_data_of_every_job_that_is_to_run_end_the_run_unless_something_else_has_failed(
    *, run, jobs, store, execution, record_of, monkeypatch
):
    def fail(task):
        raise DataError("digits is damaged.")

    monkeypatch.setattr(mae_bench.data, "load_data", fail)
    store.save(record_of(jobs[0]))
    with pytest.raises(UsageError, match=r"^digits is damaged\.$"):
        run(jobs)
    assert kinds(run(jobs[:1])) == [[], ["mae"], []]
    store.record_path(jobs[0]).write_text("{")
    summary = run(jobs)
    assert kinds(summary) == [[], [], ["mae", "vlae", "odd"]]
    assert [sentence for _, sentence in summary.failed][1:] == ["digits is damaged."] * 2
    assert execution.ran == []


def test_the_summary_outlives_an_interruption(jobs, store, execution):
    execution.faults |= {"mae": TrainingError("no."), "vlae": KeyboardInterrupt()}
    summary, report = RunSummary(), PlainDisplay(3, io.StringIO())
    with pytest.raises(KeyboardInterrupt):
        run_jobs(
            jobs,
            store,
            InProcess("cpu"),
            JobSettings(),
            overwrite="only-missing",
            exit_on_error=False,
            report=report,
            summary=summary,
        )
    assert summary.failed == [(jobs[0], "no.")]


def test_the_data_of_cached_jobs_are_not_loaded(*, run, jobs, store, execution, record_of, monkeypatch):
    for job in jobs:
        store.save(record_of(job))
    monkeypatch.setattr(mae_bench.data, "load_data", lambda task: pytest.fail("loaded"))
    assert kinds(run(jobs)) == [[], ["mae", "vlae", "odd"], []]


def test_a_store_that_cannot_be_written_ends_the_run_before_anything_trains(tmp_path, jobs, run, execution, store):
    store.root.write_text("a file where the folder should be")
    with pytest.raises(UsageError, match=r"records cannot be written to .*--output-dir"):
        run(jobs)
    assert not execution.calls


def test_the_check_of_the_store_leaves_nothing_behind(store, run):
    run([])
    assert list(store.root.iterdir()) == []


def test_a_store_can_be_tried_out_without_being_made(tmp_path):
    check_writable(tmp_path / "a" / "b", make=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="records cannot be written to"):
        check_writable(tmp_path / "file" / "b", make=False)


def test_an_executor_that_is_left_early_is_closed(run, jobs, store):
    """So that it can stop what it has running in other processes."""
    closed = []

    class Endless:
        def run(self, jobs, store, settings, report):
            try:
                for job in jobs:
                    yield JobResult(job, "no.", 0.0)
            finally:
                closed.append(len(jobs))

    report = PlainDisplay(3, io.StringIO())
    summary = run_jobs(
        jobs, store, Endless(), JobSettings(), overwrite="only-missing", exit_on_error=True, report=report
    )
    assert len(summary.failed) == 1
    assert closed == [3]
