"""The estimate of a run's time, from the clocks of records."""

import pytest

from mae_bench.planning.plan import Job, ModelReference
from mae_bench.records.estimate import describe_duration, describe_estimate, estimate_seconds
from mae_bench.records.store import Store


def clocks(training, evaluation):
    return {"training_seconds": training, "evaluation_seconds": evaluation}


@pytest.fixture
def job(digits_task):
    def make(model="mae", seed=0, preset="small"):
        return Job(ModelReference(model, "", (), "a" * 64), digits_task, preset, seed)

    return make


def test_a_job_counts_the_mean_of_complete_records_of_its_model_task_and_preset(
    job, make_record, trained_elsewhere, mnist_500_task
):
    records = [
        make_record("mae", 0, clocks=clocks(10.0, 2.0)),
        make_record("mae", 1, clocks=clocks(20.0, 4.0)),
        make_record("mae", 2, clocks=clocks(1e6, 0.0), training={"status": "partial"}),
        make_record("mae", 0, clocks=clocks(1e6, 0.0), preset="smoke"),
        make_record("mae", 0, clocks=clocks(1e6, 0.0), params={"eta": 2.0}),
        make_record("mae", 0, clocks=clocks(1e6, 0.0), of=mnist_500_task),
        make_record("vlae", 0, clocks=clocks(5.0, 0.5)),
    ]
    jobs = [job("mae", 7), job("mae", 8), job("vlae", 7), job("resnet_vae", 7)]
    records.append(trained_elsewhere("mae", clocks=clocks(1e6, 0.0)))
    assert estimate_seconds(jobs, records) == (18.0 + 18.0 + 5.5, 1)
    assert estimate_seconds(jobs, []) == (0, 4)


def test_the_sentence_reads_the_store_and_the_published_board_and_passes_over_broken_records(
    tmp_path, monkeypatch, job, make_record
):
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / "results")
    jobs = [job("mae", 7), job("vlae", 7)]
    assert describe_estimate(jobs, store).startswith("no estimate of the time")
    store.save(make_record("mae", 0, clocks=clocks(100.0, 20.0)))
    (tmp_path / "results" / "broken.json").write_text('{"metrics": {}}')
    assert describe_estimate(jobs, store) == (
        "about 2 min by the records of this store and the published board; "
        "jobs without any record, 1 of 2, are not included"
    )
    Store(tmp_path / "leaderboard" / "results").save(make_record("vlae", 0, clocks=clocks(300.0, 0.0)))
    assert describe_estimate(jobs, store) == "about 7 min by the records of this store and the published board"


def test_a_job_whose_parameters_have_no_record_counts_as_its_model_with_others(job, make_record):
    other = make_record("mae", 0, clocks=clocks(30.0, 3.0), params={"eta": 2.0})
    assert estimate_seconds([job("mae", 7)], [other]) == (33.0, 0)
    assert estimate_seconds([job("mae", 7)], [other, make_record("mae", 0, clocks=clocks(10.0, 2.0))]) == (12.0, 0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(19.6, "20 s"), (59.6, "1 min"), (3569.0, "59 min"), (3571.0, "1 h 0 min"), (7800.0, "2 h 10 min")],
)
def test_durations(seconds, words):
    assert describe_duration(seconds) == words
