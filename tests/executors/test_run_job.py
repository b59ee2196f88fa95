import os
from pathlib import Path

import pytest

import mae_bench.job.execute
import mae_bench.job.gallery
from mae_bench.executors.run_job import run_job
from mae_bench.foundation.errors import TrainingError
from mae_bench.job.settings import JobSettings
from mae_bench.planning.plan import Job, ModelReference, plan
from mae_bench.planning.registry import resolve_models
from mae_bench.records.pictures import KINDS, read_pictures, replace_pictures
from mae_bench.records.schema import Record
from mae_bench.records.store import Store

PICTURED = Path(__file__).parents[1] / "adapters" / "pictured.py"


def test_what_killed_processes_left_is_removed_once_it_is_old(digits_task, tmp_path, monkeypatch):
    """The temporary file of the record lies beside the working directory; shards stay where a job fails."""
    job, store = Job(ModelReference("mae", "mae", (), "a" * 64), digits_task, "smoke", 0), Store(tmp_path)
    folder = store.working_directory(job)
    left = [folder.parent / f".{job.key}.json.0.tmp", folder / ".training.safetensors.0.tmp"]
    left += [folder / "density" / ".000001.safetensors.0.tmp", folder / "model" / ".mine.py.0.tmp"]
    fresh = folder.parent / f".{job.key}.json.1.tmp"
    for path in (*left, fresh):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for path in left:
        os.utime(path, (0, 0))

    def fail(job, **settings):
        raise TrainingError("no.")

    monkeypatch.setattr(mae_bench.job.execute, "execute", fail)
    run_job(job, JobSettings(), working_directory=folder, device="cpu", place="cpu", store=store)
    assert [path for path in (*left, fresh) if path.exists()] == [fresh]


@pytest.fixture
def run_pictured(digits_task, tmp_path):
    """`run_pictured(mood, saved)`: what became of a job whose model is quick, and the store, if `saved` there."""
    store = Store(tmp_path / "results")

    def run(mood="good", saved=True):
        (job,) = plan(resolve_models(f"{PICTURED}[mood={mood}]"), [digits_task], "smoke", [0])
        folder = store.working_directory(job)
        settings = {"working_directory": folder, "device": "cpu", "place": "cpu", "store": store if saved else None}
        return run_job(job, JobSettings(), **settings), store

    return run


def test_pictures_lie_beside_the_record(run_pictured):
    result, store = run_pictured()
    pictures, left_out = read_pictures(store.path_of(result.outcome))
    assert {kind: picture.content for kind, picture in pictures.items()} == result.pictures and left_out == []
    assert set(pictures) == set(KINDS) and store.records() == [result.outcome]


def test_a_model_that_cannot_be_asked_loses_its_pictures_alone(run_pictured, monkeypatch):
    result, store = run_pictured("raises")
    assert store.records() == [result.outcome] and list(result.pictures) == ["reconstructions"]
    replace_pictures(store.path_of(result.outcome), {"samples": b"of an older record"})

    def fail(*arguments):
        assert store.records() and not read_pictures(store.path_of(result.outcome))[0], "saved, and without the old"
        raise RuntimeError("out of memory")

    monkeypatch.setattr(mae_bench.job.gallery, "draw_pictures", fail)
    again, store = run_pictured("raises")
    assert isinstance(again.outcome, Record) and store.records() == [again.outcome] and again.pictures == {}


def test_a_result_that_is_saved_elsewhere_has_its_pictures_with_it(run_pictured):
    result, store = run_pictured(saved=False)
    assert store.records() == [] and set(result.pictures) == set(KINDS)
    assert not list(store.root.rglob("*.png"))
