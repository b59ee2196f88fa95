"""What MLflow has of a job that was followed, stopped and resumed."""

import pytest
from PIL import Image

from mae_bench.records.store import json_files
from mae_bench.trackers import TrackedJob
from mae_bench.trackers.following import Following, scores_of, values_of
from mae_bench.trackers.registry import load_tracker

mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed: make test-trackers")


@pytest.fixture(autouse=True)
def _no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def follow(followed):
    def follow():
        record = followed.record
        job = TrackedJob(record.key, "digits", 2, "small", "vlae", {"latent": 8}, record.seed, "vlae[latent=8] seed 3")
        return Following(load_tracker("mlflow"), followed.store.root / "mlflow", job, followed.path, anew=False)

    return follow


def read(uri):
    """The client of that store, and the only run in it."""
    client = mlflow.MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([one.experiment_id for one in client.search_experiments()])
    return client, run


def check(client, run, followed):
    record = followed.record
    assert run.info.status == "FINISHED"
    assert (run.info.run_name, run.data.tags["mae_bench.key"]) == ("vlae[latent=8] seed 3", record.key)
    assert run.data.params["model.latent"] == "8"
    for name in values_of(record.training.curve[0]):
        points = [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]
        assert points == [(row.epoch, values_of(row)[name]) for row in record.training.curve]
    for name, value in scores_of(record).items():
        assert [point.value for point in client.get_metric_history(run.info.run_id, name)] == [value]
    (picture,) = client.list_artifacts(run.info.run_id)
    assert picture.path == "samples.png"


def test_curves_are_there_at_once_then_scores_and_pictures_in_one_run(follow, followed, tmp_path):
    uri = f"sqlite:///{followed.store.root}/mlflow/mlflow.db"
    first = follow()
    followed.write_epochs(2)
    first.look()
    client, run = read(uri)
    assert [point.step for point in client.get_metric_history(run.info.run_id, "train/loss")] == [1, 2]
    assert run.info.status == "RUNNING"
    first.look(last=True)
    assert read(uri)[1].info.status == "KILLED"
    followed.store.save(followed.record)
    followed.draw("samples")
    follow().look(last=True)
    check(*read(uri), followed)
    (artifact,) = (followed.store.root / "mlflow" / "artifacts").rglob("samples.png")
    assert Image.open(artifact).size == (208, 6)
    assert json_files(followed.store.root) == [followed.path]


def test_the_store_of_the_variable_is_used_and_a_run_that_it_lacks_is_made_there(
    follow, followed, tmp_path, monkeypatch
):
    followed.write_epochs(2)
    follow().look(last=True)
    uri = f"sqlite:///{tmp_path}/elsewhere.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    followed.store.save(followed.record)
    followed.draw("samples")
    follow().look(last=True)
    check(*read(uri), followed)
    assert load_tracker("mlflow").look(tmp_path) == f"mlflow ui --backend-store-uri {uri}"


def test_the_command_names_the_database(tmp_path):
    assert load_tracker("mlflow").look(tmp_path) == f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/mlflow.db"
