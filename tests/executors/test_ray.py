"""What the executor of a Ray cluster does on its own account; Ray itself takes part in tests/faults."""

import sys
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest

import mae_bench.executors.ray as on_ray
from mae_bench.executors.evaluations import copy_weights, plan_evaluations
from mae_bench.executors.ray import OnRay, connect
from mae_bench.executors.worker_process import WorkerProcess
from mae_bench.foundation.errors import UsageError
from mae_bench.job.checkpoint import MODEL_FILE
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import plan
from mae_bench.planning.registry import resolve_models
from mae_bench.records.pictures import KINDS, read_pictures
from mae_bench.records.store import Store


@pytest.fixture
def job(digits_task):
    [job] = plan(resolve_models("vlae"), [digits_task], "smoke", [0])
    return job


def test_without_ray_there_is_a_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'mae-bench\[ray\]'"):
        connect(None)


class FakeRay:
    """What the executor uses of Ray, on a cluster of one node. store: where that node finds the store."""

    exceptions = SimpleNamespace(RayError=LookupError)

    def __init__(self, store=None, replies=None):
        self.store, self.replies, self.was_shut_down = store, replies, False

    def remote(self, **settings):
        return lambda function: SimpleNamespace(remote=partial(self._call, function))

    def _call(self, function, request, *arguments):
        if self.replies:
            return self.replies
        return lambda: function(request | ({"store": str(self.store)} if self.store else {}), *arguments)

    def wait(self, references, **settings):
        return references[:1], references[1:]

    def get(self, reference):
        return reference()

    def shutdown(self):
        self.was_shut_down = True


def run_on(ray, jobs, store):
    """What every job came to, and that Ray was shut down."""
    outcomes = [result.outcome for result in OnRay(ray, 0.0, 1.0).run(jobs, store, JobSettings(), report=None)]
    assert ray.was_shut_down
    return outcomes


@pytest.fixture
def node(monkeypatch, tmp_path):
    """The processes that were started on the node, which are ended after the test."""
    started = []
    monkeypatch.setattr(on_ray.platformdirs, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(
        on_ray, "WorkerProcess", lambda environment: started.append(WorkerProcess(environment)) or started[-1]
    )
    yield started
    on_ray.stop_worker()


def test_a_node_that_does_not_share_the_store_sends_its_record_back(job, node, tmp_path):
    """A real process runs the jobs in a scratch folder, one after another, and the driver alone writes the records."""
    store, jobs = Store(tmp_path / "results"), [job, replace(job, seed=1)]
    outcomes = run_on(FakeRay(store=tmp_path / "elsewhere"), jobs, store)
    assert [store.find(job) for job in jobs] == outcomes
    assert all(set(read_pictures(store.path_of(record))[0]) == set(KINDS) for record in outcomes)
    assert len(node) == 1, "the process is kept for the next job"
    assert not (tmp_path / "elsewhere").exists()
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_node_that_shares_the_store_writes_there(job, node, tmp_path):
    store = Store(tmp_path / "results")
    [record] = run_on(FakeRay(), [job], store)
    assert store.find(job) == record
    assert (store.working_directory(job) / MODEL_FILE).exists()
    assert not (tmp_path / "mae-bench").exists()
    assert store.records() == [record], "what the store is known by is no record"


@pytest.mark.parametrize("shared", [True, False])
def test_the_weights_of_a_trained_model_reach_the_node(*, job, node, tmp_path, shared):
    store = Store(tmp_path / "results")
    [trained] = run_on(FakeRay(), [job], store)
    evaluations = plan_evaluations([store.working_directory(job)], [job.task], "small")
    target = Store(tmp_path / "scores")
    copy_weights(evaluations, target)
    [record] = run_on(FakeRay(store=None if shared else tmp_path / "elsewhere"), [evaluations[0].job], target)
    assert record.trained.key == trained.key
    assert target.find(evaluations[0].job) == record


def test_what_ray_gives_up_is_a_sentence(job, tmp_path):
    def get():
        raise LookupError("the node died")

    [outcome] = run_on(FakeRay(replies=get), [job], Store(tmp_path))
    assert outcome == "Ray gave it up (LookupError: the node died); run it again to resume it."


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("reason", "cannot be stored (a text in it has 5000 characters"),
        ("version", "its record cannot be saved (ValidationError"),
        ("store", "its record cannot be saved (NotADirectoryError"),
    ],
)
def test_a_record_that_cannot_be_saved_fails_its_job_alone(job, record_of, tmp_path, fault, said):
    record = record_of(job, not_supported={"mpd": "x" * 5000} if fault == "reason" else {})
    content = record.content() | ({"of_another_version": 1} if fault == "version" else {})
    if fault == "store":
        (tmp_path / "digits").touch()
    reply = {"record": content, "seconds": 1.0, "shared": False}
    [outcome] = run_on(FakeRay(replies=lambda: reply), [job], Store(tmp_path))
    assert said in outcome
    assert outcome.endswith((" run it again.", "change the adapter's parameters or messages."))


@pytest.mark.parametrize(
    ("address", "variable", "named"),
    [
        (None, "", "the Ray cluster of this machine cannot"),
        (None, "head:1", "at head:1 cannot"),
        ("auto", "", "at auto cannot"),
    ],
)
def test_a_cluster_that_cannot_be_reached_is_named_with_a_remedy(monkeypatch, address, variable, named):
    def init(**settings):
        raise ConnectionError("refused")

    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("RAY_ADDRESS", variable)
    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init))
    with pytest.raises(UsageError, match=r"cannot be reached \(ConnectionError: refused\); correct --address") as error:
        connect(address)
    assert named in str(error.value)
