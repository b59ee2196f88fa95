"""What the executor of a Ray cluster does on its own account; Ray itself takes part in tests/faults."""

import sys
from types import SimpleNamespace

import pytest

import mae_bench.executors.ray as on_ray
from mae_bench.errors import UsageError
from mae_bench.executors import JobSettings
from mae_bench.executors.ray import OnRay, connect, run_on_node
from mae_bench.executors.worker_process import make_request
from mae_bench.plan import plan
from mae_bench.records.store import Store
from mae_bench.registry import resolve_models


@pytest.fixture
def job(digits_task):
    [job] = plan(resolve_models("vlae"), [digits_task], "smoke", [0])
    return job


def test_without_ray_there_is_a_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'mae-bench\[ray\]'"):
        connect(None)


def test_a_node_that_does_not_share_the_store_sends_its_record_back(job, tmp_path, monkeypatch):
    """A real process runs the job in a scratch folder, and the driver alone writes the record."""
    monkeypatch.setattr(on_ray.platformdirs, "user_cache_path", lambda name: tmp_path / name)
    store = Store(tmp_path / "results")
    request = make_request(job, store, JobSettings(), "cpu", "cpu") | {"scratch": f"jobs/run/{job.key}"}
    try:
        reply = run_on_node(request, {"OMP_NUM_THREADS": "1"}, None, identity="of another folder")
        assert run_on_node.__module__ == "mae_bench.executors.ray"
        assert on_ray._worker is not None, "the process is kept for the next job"
    finally:
        on_ray._stop_worker()
    assert reply["shared"] is False
    assert not store.root.exists()
    assert not list((tmp_path / "mae-bench").rglob("*.safetensors"))
    ray = SimpleNamespace(get=lambda reference: reply, exceptions=SimpleNamespace(RayError=LookupError))
    result = OnRay(ray, 0.0, 1.0)._result(job, "reference", store)
    assert store.find(job) == result.outcome


def test_a_node_that_shares_the_store_is_told_apart(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    assert on_ray._identify(one) == on_ray._identify(one) == on_ray._read_identity(one)
    assert on_ray._identify(other) != on_ray._identify(one)
    assert on_ray._read_identity(tmp_path / "absent") == ""
    assert Store(one).records() == []


def test_what_ray_gives_up_is_a_sentence(job, tmp_path):
    def get(reference):
        raise LookupError("the node died")

    ray = SimpleNamespace(get=get, exceptions=SimpleNamespace(RayError=LookupError))
    result = OnRay(ray, 0.0, 1.0)._result(job, "reference", Store(tmp_path))
    assert result.outcome == "Ray gave it up (LookupError: the node died); run it again, and it goes on."


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
    ray = SimpleNamespace(get=lambda reference: reply, exceptions=SimpleNamespace(RayError=LookupError))
    outcome = OnRay(ray, 0.0, 1.0)._result(job, "reference", Store(tmp_path)).outcome
    assert said in outcome
    assert outcome.endswith((" run it again.", "change what the adapter is given or says."))


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
