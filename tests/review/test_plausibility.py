"""Impossible values: each kind, put into a record that is otherwise honest, is named; honest records pass."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mae_bench.foundation.content import content_folder
from mae_bench.metrics.outcome import Measurement
from mae_bench.planning.task import PRESETS, load_task
from mae_bench.records.schema import Record, seal
from mae_bench.review.plausibility import impossible_values

SHIPPED = [load_task(path) for path in sorted(content_folder("tasks").glob("*.toml"))]
HALF = math.sqrt(0.25 / 499)


def faults_of(record, task, *changes):
    """The faults of `record` after `changes`, each a path of keys and a value to put there (None: no metric)."""
    content = json.loads(record.model_dump_json())
    for *path, last, value in changes:
        node = content
        for key in path:
            node = node[key]
        if value is None and path[0] == "metrics" and len(path) == 1:
            del node[last]
        else:
            node[last] = value
    return impossible_values(seal(content), task)


@pytest.mark.parametrize("task", SHIPPED, ids=lambda task: task.name)
@pytest.mark.parametrize("preset", PRESETS)
def test_an_honest_record_has_no_fault(honest_record, task, preset):
    assert impossible_values(honest_record(of=task, preset=preset), task) == []


def test_a_measured_record_has_no_fault():
    """The sample was written by a real run; its protocol is resolved from the record itself."""
    sample = Record.model_validate_json(
        (Path(__file__).parents[1] / "records" / "samples" / "schema_version_1.json").read_text()
    )
    (task,) = (task for task in SHIPPED if task.name == sample.task.name)
    if task.protocol_hash(sample.preset) != sample.hashes.protocol:
        pytest.skip("the sample is of an earlier protocol")
    assert impossible_values(sample, task) == []


def metric(name, **values):
    return [("metrics", name, key, value) for key, value in values.items()]


DENSITY = ("nll", "bits_per_dim", "negative_elbo", "reconstruction_error", "kl", "effective_sample_size")
DIVERGED = [
    change
    for name in DENSITY
    for change in metric(name, value=None, stderr=None, reason="3 of 500 images have a log-weight that is not finite")
]


COLLAPSED = metric("active_units", value=0.0)
EXACT = [
    ("nll_by_samples", {"1": 20.0, "4": 20.0, "16": 20.0, "64": 20.0}),
    *metric("negative_elbo", value=20.0),
    *metric("reconstruction_error", value=20.0),
    *metric("kl", value=0.0, stderr=0.0),
    *metric("effective_sample_size", value=64.0, stderr=0.0),
]
OWN_FIT = [
    ("training", key, value)
    for key, value in {
        "reason": "the model's own fit",
        "epochs": 0,
        "steps": 0,
        "best_epoch": None,
        "curve": [],
    }.items()
]
PARTIAL = [
    ("training", "status", "partial"),
    ("training", "reason", "cut short after 0.01 minutes of training"),
    ("training", "steps", 12),
]
LAST_SCORED = [
    ("training", "reason", "cut short after 1e-09 minutes of training; its last weights are scored"),
    ("training", "best_epoch", None),
]


@pytest.mark.parametrize(
    "changes",
    [
        [*DIVERGED, ("nll_by_samples", {})],
        [
            *(("metrics", name, None) for name in DENSITY),
            ("nll_by_samples", {}),
            ("not_supported", dict.fromkeys(DENSITY, "it has no importance_terms")),
        ],
        metric("kl", value=-0.4) + metric("reconstruction_error", value=21.4),
        metric("knn_all", value=1.0, stderr=0.0, draws=[1.0]),
        metric("knn_100", value=0.0, stderr=0.0, draws=[0.0] * 5),
        OWN_FIT,
        EXACT,
        metric("linear_100", reason="2 of 5 fits did not converge in 10000 iterations"),
        metric("svm_rbf_all", reason="1 of 1 fits did not converge in 1000000 iterations"),
        [*metric("mpd", value=0.0, stderr=0.0), *metric("mpd_std", value=0.0, stderr=0.0), *COLLAPSED],
        [*metric("mpd", value=1e30, stderr=1e28), *metric("mpd_std", value=1e31, stderr=1e31)],
        metric("knn_100", draws=[0.75, 0.754, 0.746, 0.75, 0.75], stderr=HALF / 5),
        [("clocks", {"training_seconds": 0.0, "evaluation_seconds": 400.0}), *OWN_FIT],
        [("environment", "device", "NVIDIA H100"), ("peak_memory_mib", {"process": 2000.0, "cuda": 0.5})],
        [("environment", "numpy", "2.4.0"), ("environment", "scikit_learn", "1.8.dev0")],
        [("environment", "git_commit", "a" * 40), ("environment", "git_dirty", False)],
        PARTIAL,
        [*PARTIAL, ("training", "epochs", 0), ("training", "steps", 10), ("training", "curve", []), *LAST_SCORED],
        [*PARTIAL, *LAST_SCORED],
    ],
    ids=[
        "diverged",
        "no density",
        "KL below 0 by noise",
        "all right",
        "all wrong",
        "own fit",
        "exact likelihood",
        "a fit without an end",
        "an SVM without an end",
        "one posterior",
        "posteriors without a width",
        "images right in one run each",
        "no training",
        "a GPU",
        "versions",
        "a commit",
        "cut short",
        "cut short at the end of its first epoch",
        "cut short while it gained",
    ],
)
def test_what_is_rare_but_possible_has_no_fault(honest_record, digits_task, changes):
    assert faults_of(honest_record(), digits_task, *changes) == []


IMPOSSIBLE = {
    "accuracy above 1": (metric("knn_100", value=1.02), "knn_100 is 1.02, outside [0, 1]"),
    "accuracy below 0": (metric("linear_all", value=-0.1), "linear_all is -0.1, outside [0, 1]"),
    "negative ELBO below NLL": (metric("negative_elbo", value=19.0), "negative_elbo is 19, below nll, 20"),
    "NLL rises with K": ([("nll_by_samples", "16", 20.9)], "rises from 20.6667 at 4 samples to 20.9 at 16"),
    "NLL is not that of K": (metric("nll", value=19.5), "nll is 19.5 and nll_by_samples at 64 is 20"),
    "negative ELBO is not that of 1": (
        metric("negative_elbo", value=23.0),
        "negative_elbo is 23 and nll_by_samples at 1 is 21",
    ),
    "bits/dim is not NLL": (metric("bits_per_dim", value=0.3), "bits_per_dim is 0.3 and nll / (64 log 2) is 0.45"),
    "parts do not add up": (metric("kl", value=5.0), "negative_elbo is 21 and reconstruction_error + kl is 22"),
    "negative NLL": (metric("nll", value=-2.0), "nll is -2, outside [0, inf]"),
    "negative RE": (metric("reconstruction_error", value=-0.1), "reconstruction_error is -0.1"),
    "negative KL": (metric("kl", value=-0.6), "kl is -0.6, outside"),
    "negative MPD": (metric("mpd", value=-1.0), "mpd is -1, outside"),
    "ESS below 1": (metric("effective_sample_size", value=0.5), "effective_sample_size is 0.5, outside [1, 64]"),
    "ESS above K": (metric("effective_sample_size", value=64.5), "effective_sample_size is 64.5, outside [1, 64]"),
    "ESS spreads too far": (metric("effective_sample_size", stderr=0.9), "allow at most 0.886"),
    "ESS does not spread": (metric("effective_sample_size", stderr=0.0), "only 1 and 64 are the same for all images"),
    "ESS of equal weights": (
        metric("effective_sample_size", value=64.0, stderr=0.0),
        "64 of 64, but then negative_elbo exceeds nll by at most 5.01955e-10, not 1",
    ),
    "ESS of one weight": (
        metric("effective_sample_size", value=1.0, stderr=0.0),
        "1 of 64, but then negative_elbo exceeds nll by at least 1",
    ),
    "equal estimates of unequal weights": (
        [*EXACT, *metric("effective_sample_size", value=63.0, stderr=0.1)],
        "63 of 64, but then negative_elbo exceeds nll by at least 0.00292",
    ),
    "stderr of bits/dim": (metric("bits_per_dim", stderr=0.2), "but that of nll / (64 log 2) is 0.0045"),
    "stderr of -ELBO above the parts'": (
        metric("negative_elbo", stderr=0.31),
        "those of reconstruction_error and kl allow 0.1 to 0.3",
    ),
    "stderr of -ELBO below the parts'": (
        metric("negative_elbo", stderr=0.05),
        "those of reconstruction_error and kl allow 0.1 to 0.3",
    ),
    "stderr of -ELBO far from that of NLL": (
        [*metric("negative_elbo", stderr=9.0), *metric("reconstruction_error", stderr=9.0)],
        "but that of nll and the distance from it allow 0 to 1.2",
    ),
    "stderr above RE": (metric("reconstruction_error", stderr=17.1), "500 images of mean 17 allow at most 17"),
    "stderr far above KL": (metric("kl", stderr=25.0), "kl has the standard error 25, but 500 images of mean 4 allow"),
    "half of a family": ([("metrics", "kl", None), ("not_supported", {"kl": "no"})], "are measured together"),
    "two excuses of a family": (
        [
            *(("metrics", name, None) for name in ("mpd", "mpd_std", "active_units")),
            ("not_supported", {"mpd": "no", "mpd_std": "no", "active_units": "never"}),
        ],
        "mpd, mpd_std, active_units are measured together",
    ),
    "an empty excuse": ([("not_supported", {"kmeans_10": " "})], "kmeans_10 is not supported for no reason"),
    "MPD of 0 with STD": (metric("mpd", value=0.0), "divergences of 500 images with mean 0 deviate by at most 0"),
    "STD above what n allows": (metric("mpd_std", value=15001.0), "deviate by at most 14985"),
    "STD of 0": (metric("mpd_std", value=0.0, stderr=0.0), "mpd_std is 0, but mpd is 30"),
    "stderr of MPD": (
        metric("mpd", stderr=0.64),
        "mpd has the standard error 0.64, but mpd_std 10 allows at most 0.63",
    ),
    "stderr of MPD STD": (metric("mpd_std", stderr=26.0), "but mpd_std 10 allows at most 25"),
    "no stderr of MPD STD": (metric("mpd_std", stderr=0.0), "but the divergences deviate by 10"),
    "more units than any model": (metric("active_units", value=65537.0), "at most 65536 latent dimensions"),
    "units of one posterior": (
        [*metric("mpd", value=0.0, stderr=0.0), *metric("mpd_std", value=0.0, stderr=0.0)],
        "active_units is 8, but mpd is 0: all posteriors are one",
    ),
    "MPD beyond float32": (metric("mpd", value=1e300), "mpd is 1e+300, more than 65536 dimensions in float32 can give"),
    "RE beyond float32": (
        metric("reconstruction_error", value=1e300),
        "beyond what log-densities in float32 add up to",
    ),
    "a remark on NLL": (metric("nll", reason="the best ever"), "a run makes remarks on probes alone"),
    "a remark on KNN": (
        metric("knn_100", reason="1 of 5 fits did not converge in 10000 iterations"),
        "which no run makes on it",
    ),
    "a remark of its own": (metric("linear_100", reason="1 of 5 fits is best"), "which no run makes on it"),
    "no fit without an end": (
        metric("linear_100", reason="0 of 5 fits did not converge in 10000 iterations"),
        "which no run makes on it",
    ),
    "more fits than runs": (
        metric("linear_100", reason="6 of 5 fits did not converge in 10000 iterations"),
        "which no run makes on it",
    ),
    "other iterations": (
        metric("svm_rbf_100", reason="1 of 5 fits did not converge in 10000 iterations"),
        "which no run makes on it",
    ),
    "half a unit": (metric("active_units", value=7.5), "7.5, which is not a number of units"),
    "a stderr of active units": (metric("active_units", stderr=0.1), "cannot have the standard error 0.1"),
    "other n of density": (metric("nll", n=64), "nll is over 64 test images, but the protocol has 500"),
    "other n of geometry": (metric("mpd", n=499), "mpd is over 499 test images, but the protocol has 500"),
    "other n of a probe": (metric("knn_all", n=5000), "knn_all is over 5000 test images"),
    "no images": (metric("knn_all", n=0), "knn_all is over 0 test images"),
    "other K": ([("nll_by_samples", {"1": 21.0, "4": 20.0})], "is for 1, 4 importance samples, but"),
    "more K": ([("nll_by_samples", "4096", 19.0)], "protocol gives 1, 4, 16, 64"),
    "a fall that varies too much": ([("nll_fall_stderr", 0.4)], "500 images whose mean fall is 0.333"),
    "a negative error of a fall": ([("nll_fall_stderr", -0.1)], "nll_fall_stderr is -0.1"),
    "a fall without NLL": (
        [*DIVERGED, ("nll_by_samples", {}), ("nll_fall_stderr", 0.1)],
        "nll_fall_stderr has a value, but nll has none",
    ),
    "no curve": ([("nll_by_samples", {})], "is for no importance samples"),
    "a curve without NLL": (DIVERGED, "nll_by_samples has values, but nll has none"),
    "negative stderr": (metric("nll", stderr=-0.1), "nll has the negative standard error -0.1"),
    "no stderr": (metric("nll", stderr=None), "nll has no standard error"),
    "no stderr of a probe": (metric("knn_all", stderr=None), "knn_all has no standard error"),
    "stderr of fewer images": (metric("knn_all", stderr=HALF * 2), "500 images give 0.019"),
    "stderr of more images": (metric("knn_all", stderr=0.001), "knn_all has the standard error 0.001"),
    "stderr of draws too small": (
        metric("knn_100", value=0.702, draws=[0.7, 0.7, 0.7, 0.7, 0.71], stderr=0.001),
        "500 images give 0.00447572 to 0.0203967",
    ),
    "stderr of 0": (metric("knn_100", value=0.8, draws=[0.8] * 5, stderr=0.0), "which only 0 and 1 can have"),
    "other unit": (metric("nll", unit="bits"), "nll is in bits with direction lower, not in nats"),
    "other direction": (metric("nll", direction="higher"), "nll is in nats with direction higher"),
    "too few draws": (metric("knn_100", draws=[0.75] * 4), "knn_100 has 4 draws, but the protocol has 5"),
    "draws of density": (metric("nll", draws=[20.0]), "nll has 1 draws, but the protocol has 0"),
    "no share of images": (metric("knn_all", value=0.7501, draws=[0.7501]), "which is not a share of 500 images"),
    "not the mean of draws": (metric("knn_100", value=0.9), "knn_100 is 0.9, but the mean of its draws is 0.75"),
    "a draw above 1": (metric("knn_100", draws=[1.2, 0.6, 0.65, 0.65, 0.65]), "has a draw of 1.2"),
    "no value, no reason": (metric("mpd", value=None, stderr=None), "mpd has no value, so it must have a reason"),
    "no value, but a stderr": (metric("mpd", value=None, reason="it diverged"), "mpd has no value"),
    "unasked metric": (
        [
            (
                "metrics",
                "svm_rbf_7",
                {"value": 0.9, "stderr": 0.0, "n": 500, "unit": "accuracy", "direction": "higher"},
            )
        ],
        "svm_rbf_7 is not a metric of the protocol",
    ),
    "unasked excuse": ([("not_supported", {"knn_7": "no"})], "knn_7 is not a metric of the protocol"),
    "missing metric": ([("metrics", "kmeans_10", None)], "kmeans_10 is neither measured nor given a reason"),
    "measured and excused": ([("not_supported", {"mpd": "no"})], "mpd is both measured and not supported"),
    "more epochs": ([("training", "epochs", 31)], "training took 31 epochs, but its curve has 1"),
    "best epoch to come": ([("training", "best_epoch", 3)], "the best epoch is 3, but epoch 1 has the lowest"),
    "negative steps": ([("training", "steps", -1)], "training took -1 steps, but 1 epochs have 10"),
    "negative clock": ([("clocks", "training_seconds", -3.0)], "clocks.training_seconds is -3"),
    "clock of negative zero": ([("clocks", "training_seconds", -0.0)], "clocks.training_seconds is -0"),
    "clock of centuries": ([("clocks", "training_seconds", 1e300)], "clocks.training_seconds is 1e+300, outside"),
    "clock that stands still": ([("clocks", "evaluation_seconds", 0.0)], "clocks.evaluation_seconds is 0, outside"),
    "negative memory": ([("peak_memory_mib", "process", -3.0)], "peak_memory_mib.process is -3"),
    "memory of no machine": ([("peak_memory_mib", "process", 1e308)], "peak_memory_mib.process is 1e+308"),
    "memory of no process": ([("peak_memory_mib", {})], "peak_memory_mib is of nothing, but the device has process"),
    "memory of no GPU": ([("peak_memory_mib", "cuda", 1.0)], "is of cuda, process, but the device has process"),
    "parameters beyond memory": ([("training", "parameters", 10**9)], "which do not fit in the peak memory"),
    "nothing to train": ([("training", "parameters", 0)], "training took 10 steps, but there are 0 parameters"),
    "bits of a binary task": ([("hashes", "test_bits", None)], "hashes.test_bits is null, but the task is binary"),
    "no threads": ([("environment", "threads", 0)], "environment.threads is 0"),
    "a clear screen": ([("environment", "device", "\x1b[2J")], "environment.device is not a printable text"),
    "an endless machine": ([("training", "machine", "x" * 201)], "training.machine is not a printable text"),
    "an endless name": ([("environment", "processor", "x" * 201)], "environment.processor is not a printable text"),
    "no version": ([("environment", "torch", "new")], "environment.torch is 'new', which is not a version"),
    "no commit": ([("environment", "git_commit", "main"), ("environment", "git_dirty", False)], "is not a commit"),
    "half a commit": ([("environment", "git_dirty", False)], "must both be there or both be null"),
    "no time in UTC": ([("created", "2025-01-01T00:00:00+09:00")], "which is not a time in UTC of this century"),
    "a time to come": ([("created", "9999-12-31T23:59:59Z")], "which is not a time in UTC of this century"),
    "negative seed": ([("seed", -1)], "seed is -1"),
    "no date": ([("created", "yesterday")], "created is 'yesterday', which is not an ISO 8601 date"),
    "no parameter's name": ([("model", "params", {"../x": 1})], "'../x' is not the name of a parameter"),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_an_impossible_value_is_named(honest_record, digits_task, name):
    changes, words = IMPOSSIBLE[name]
    faults = faults_of(honest_record(), digits_task, *changes)
    assert any(words in fault for fault in faults), faults
    assert all("\n" not in fault for fault in faults)


@given(
    st.tuples(st.integers(2, 12), st.integers(1, 5)),
    st.lists(st.floats(0, 1), min_size=12, max_size=12),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_accuracy_that_can_be_measured_is_refused(honest_record, digits_task, sizes, difficulty, seed):
    """Against the standard error as it is measured, over every image's mean over the draws, however they fell."""
    images, draws = sizes
    correct = np.random.default_rng(seed).random((draws, images)) < np.array(difficulty[:images])
    measured = Measurement.over_images("knn_100", correct.mean(axis=0), tuple(correct.mean(axis=1).tolist()))
    if measured.stderr == 0 and 0 < measured.value < 1:
        return  # documented: does not happen with a real probe
    protocol = digits_task.protocol("small")
    changed = {
        "probes": protocol.probes.model_copy(update={"label_draws": draws, "label_counts": (100,)}),
        "posterior": protocol.posterior.model_copy(update={"test_images": images}),
    }
    protocol = protocol.model_copy(update=changed)
    data = digits_task.data.model_copy(update={"test_size": images})
    task = digits_task.model_copy(update={"data": data, "presets": {"small": protocol}})
    changes = metric("knn_100", value=measured.value, stderr=measured.stderr, n=images, draws=list(measured.draws))
    faults = faults_of(honest_record(of=task), task, *changes)
    assert [fault for fault in faults if fault.startswith("knn_100")] == []


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_numbers_are_judged_in_sentences(honest_record, digits_task, data):
    """Whatever the schema takes for a metric: never an exception."""
    record = honest_record()
    number = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**62), 2**62)
    changes = []
    for name in data.draw(st.lists(st.sampled_from(sorted(record.metrics)), min_size=1, max_size=4)):
        key = data.draw(st.sampled_from(["value", "stderr", "n", "draws"]))
        value = {"n": st.integers(-(2**62), 2**62), "draws": st.lists(number, max_size=5)}.get(key, st.none() | number)
        changes.append(("metrics", name, key, data.draw(value)))
    if data.draw(st.booleans()):
        changes.append(
            ("nll_by_samples", data.draw(st.dictionaries(st.integers(-9, 2**40).map(str), number, max_size=5)))
        )
    for fault in faults_of(record, digits_task, *changes):
        assert fault and "\n" not in fault and len(fault) < 400
