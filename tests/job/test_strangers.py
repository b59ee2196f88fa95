"""Models as others wrote them, in whole jobs: each leaves a record without a fault, with what it can answer."""

import pytest

from mae_bench.planning.task import Task
from mae_bench.records.schema import Record
from mae_bench.review.plausibility import impossible_values
from tests.job.test_execute import run
from tests.job.test_training_context import job_of


def record_of(model: str, task: Task, folder) -> Record:  # type: ignore[no-untyped-def]
    record = run(job_of(model, task), folder)
    assert record.training.status == "complete"
    assert impossible_values(record, task) == []
    return record


def test_a_model_of_one_image_size(mnist_500_task, tmp_path):
    record = record_of("FixedSize", mnist_500_task, tmp_path)
    assert record.metrics["nll"].value < record.metrics["negative_elbo"].value


def test_a_model_with_strides_on_colour_images_that_it_has_no_density_for(cifar10_task, tmp_path):
    record = record_of("Strided", cifar10_task, tmp_path)
    assert "answers for the likelihood bernoulli alone" in record.not_supported["nll"]
    assert "mpd" in record.metrics and any(name.startswith("knn") for name in record.metrics)


@pytest.mark.parametrize(
    ("model", "measured", "missing"),
    [
        ("OwnTrainer[epochs=2]", {"nll", "mpd", "knn_100"}, set()),
        ("TwoStages", {"nll", "mpd", "knn_100"}, set()),
        ("WithoutDensity[units=3]", {"knn_100"}, {"nll", "mpd"}),
        ("WithoutPosterior", {"nll", "knn_100"}, {"mpd", "active_units"}),
        ("TwoLayers[z_dims=[[5,2]]]", {"nll", "mpd", "knn_100"}, set()),
        ("Configured", {"nll", "mpd", "knn_100"}, set()),
    ],
)
def test_other_kinds(digits_task, tmp_path, model, measured, missing):
    record = record_of(model, digits_task, tmp_path)
    assert measured <= set(record.metrics)
    assert missing <= set(record.not_supported)
