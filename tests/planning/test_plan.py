from dataclasses import replace

import pytest

import mae_bench.planning.plan
from mae_bench.foundation.errors import UsageError
from mae_bench.planning.plan import Job, ModelReference, plan
from mae_bench.planning.task import Task

MAE = ModelReference("mae", "mae", (("eta", 1.0), ("gamma", 0.5)), "a" * 64)
VLAE = ModelReference("vlae", "vlae", (), "b" * 64)


@pytest.fixture
def job(digits_task):
    return Job(MAE, digits_task, "small", 0)


def with_preset(task, preset, **replaced):
    """The task with single settings of one section of one preset replaced: density={"test_images": 7}."""
    ((section, settings),) = replaced.items()
    protocol = task.protocol(preset)
    changed = protocol.model_copy(update={section: getattr(protocol, section).model_copy(update=settings)})
    return task.model_copy(update={"presets": {**task.presets, preset: changed}})


CHANGES = {
    "source": lambda job: replace(job, model=replace(job.model, code_hash="c" * 64)),
    "parameter": lambda job: replace(job, model=replace(job.model, params=(("eta", 2.0), ("gamma", 0.5)))),
    "name": lambda job: replace(job, model=replace(job.model, name="other")),
    "training": lambda job: replace(job, task=with_preset(job.task, "small", training={"batch_size": 7})),
    "density": lambda job: replace(job, task=with_preset(job.task, "small", density={"test_images": 7})),
    "posterior": lambda job: replace(job, task=with_preset(job.task, "small", posterior={"test_images": 7})),
    "probes": lambda job: replace(job, task=with_preset(job.task, "small", probes={"label_draws": 7})),
    "task seed": lambda job: replace(job, task=job.task.model_copy(update={"seed": 7})),
    "task version": lambda job: replace(job, task=job.task.model_copy(update={"version": 7})),
    "data": lambda job: replace(
        job, task=job.task.model_copy(update={"data": job.task.data.model_copy(update={"sha256": "d" * 64})})
    ),
    "preset": lambda job: replace(
        job, preset="copy", task=job.task.model_copy(update={"presets": {"copy": job.task.protocol("small")}})
    ),
    "seed": lambda job: replace(job, seed=1),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_key_differs_with_all_that_decides_the_numbers(job, what):
    assert CHANGES[what](job).key != job.key


@pytest.mark.parametrize(("name", "value"), [("ENGINE_VERSION", 0), ("PRECISION", "float64")])
def test_the_key_differs_with_engine_version_and_precision(job, monkeypatch, name, value):
    before = job.key
    monkeypatch.setattr(mae_bench.planning.plan, name, value)
    assert job.key != before


def test_the_key_is_the_same_for_what_decides_no_number(job):
    elsewhere = replace(job.model, code="/another/place/mae.py:MAE")
    other_preset = with_preset(job.task, "paper", training={"batch_size": 7})
    described = other_preset.model_copy(update={"title": "Another title", "description": "", "reported": ()})
    assert Job(elsewhere, described, "small", 0).key == job.key


PINNED_PROTOCOL = {
    "training": {
        "batch_size": 100,
        "initialisation_images": 500,
        "learning_rate": 0.001,
        "learning_rate_decay": 0.999998,
        "adam_betas": [0.9, 0.999],
        "gradient_clip": 5.0,
        "polyak_decay": 0.999,
        "patience": 20,
        "halvings": 3,
        "max_epochs": 1000,
    },
    "density": {"importance_samples": 64, "images_per_shard": 16, "samples_per_chunk": 64, "test_images": "all"},
    "posterior": {"test_images": 500, "active_unit_variance": 0.01},
    "probes": {
        "label_counts": [100, "all"],
        "label_draws": 5,
        "kmeans_clusters": [10],
        "kmeans_starts": 10,
        "kmeans_images": "all",
        "knn_neighbours": 10,
        "logistic_c": 1.0,
        "logistic_max_iterations": 10000,
        "svm_label_counts": [100, "all"],
        "svm_c": 1.0,
        "svm_gamma_times_dimensions": 1.0,
        "svm_max_iterations": 1000000,
        "svm_all_dimensions": 256,
    },
}
PINNED_DATA = {
    "source": "digits",
    "sha256": "0" * 64,
    "shape": [1, 8, 8],
    "likelihood": "bernoulli",
    "levels": 16,
    "classes": 10,
    "train_size": 1097,
    "validation_size": 200,
    "test_size": 500,
}


def test_the_key_of_one_job_is_pinned(monkeypatch):
    """If this fails, every stored record loses its job: only a change that alters the numbers may do that."""
    monkeypatch.setattr(mae_bench.planning.plan, "ENGINE_VERSION", 1)
    task = Task.model_validate(
        {"name": "pinned", "version": 1, "title": "", "description": "", "seed": 7}
        | {"data": PINNED_DATA, "presets": {"small": PINNED_PROTOCOL}}
    )
    assert Job(MAE, task, "small", 0).key == "5141770c00a8fb89978f916caedc44b43eeffd88ebac59adb538486db9bd6d9a"


def test_jobs_come_task_by_task_and_seed_by_seed_each_once(digits_task, mnist_500_task):
    jobs = plan([MAE, VLAE, MAE], [digits_task, mnist_500_task], "smoke", iter([0, 1, 0]))
    assert [(job.task.name, job.seed, job.model.name) for job in jobs] == [
        (task.name, seed, model)
        for task in (digits_task, mnist_500_task)
        for seed in (0, 1)
        for model in ("mae", "vlae")
    ]


def test_a_preset_that_a_task_lacks_is_a_usage_error(digits_task):
    with pytest.raises(UsageError, match="task digits has no preset 'huge'"):
        plan([MAE], [digits_task], "huge", [0])


def test_what_a_record_cannot_hold_is_found_when_it_is_planned(digits_task):
    nested = []
    for _ in range(18):
        nested = [nested]
    assert len(plan([MAE], [digits_task], "smoke", [2**63 - 1])) == 1
    with pytest.raises(UsageError, match=r"seed 9223372036854775808 does not fit in a record \(.* 64 bits\); give a"):
        plan([MAE], [digits_task], "smoke", [0, 2**63])
    for value, fault in (("x" * 4001, "4001 characters"), (2**63, "64 bits"), (nested, "20 deep")):
        model = replace(MAE, params=(("eta", value),))
        with pytest.raises(UsageError, match=rf"the parameters of mae\[eta=.* do not fit in a record .*{fault}"):
            plan([model], [digits_task], "smoke", [0])
    plan([replace(MAE, params=(("eta", nested[0]),))], [digits_task], "smoke", [0])


def test_a_jobs_title_names_it(job):
    assert job.title == "digits small mae[eta=1.0,gamma=0.5] seed 0"
