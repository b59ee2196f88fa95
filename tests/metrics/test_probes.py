"""The probes as a whole against plain NumPy versions of their classifiers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mae_bench.adapter import Adapter, DataSpec
from mae_bench.foundation.errors import MaeBenchError
from mae_bench.foundation.seeding import derive_seed, numpy_generator
from mae_bench.metrics import probes
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.metrics.probes import draw_labelled, evaluate_probes, fit_kmeans, fit_logistic, fit_svm
from mae_bench.metrics.settings import ProbeSettings
from tests.metrics.plain_numpy import blobs, knn_by_hand, squared_distances

SPEC = DataSpec(shape=(1, 1, 4), likelihood="bernoulli", train_size=600, classes=3)
TASK_SEED = 1998


class Images:
    """Images that stand for the rows of a table of representations."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = torch.from_numpy(rows)

    def __len__(self) -> int:
        return len(self.rows)

    def thresholded(self, indices):
        return self.rows[indices].view(len(indices), 1, 1, -1)


class Identity(Adapter):
    """Encodes an image as its pixels."""

    def __init__(self, data=SPEC, preset="small") -> None:
        super().__init__(data, preset)

    def encode(self, x):
        assert not self.training
        assert not torch.is_grad_enabled()
        return x.flatten(1)


def data_set(train: int = 600, test: int = 200) -> SimpleNamespace:
    (train_rows, train_labels), (test_rows, test_labels) = blobs(train, 0), blobs(test, 1)
    return SimpleNamespace(
        train=Images(train_rows), train_labels=train_labels, test=Images(test_rows), test_labels=test_labels
    )


def settings(**changes) -> ProbeSettings:
    values = {
        "label_counts": (20, 100, "all"),
        "label_draws": 3,
        "kmeans_clusters": (3, 8),
        "kmeans_starts": 2,
        "kmeans_images": 300,
        "knn_neighbours": 10,
        "logistic_c": 1.0,
        "logistic_max_iterations": 1000,
        "svm_label_counts": (20, 100, "all"),
        "svm_c": 1.0,
        "svm_gamma_times_dimensions": 1.0,
        "svm_max_iterations": 100000,
        "svm_all_dimensions": 4,
    }
    return ProbeSettings(**{**values, **changes})


def evaluate(adapter=None, data=None, protocol=None, task_seed=TASK_SEED, progress=lambda *_: None):
    outcome = evaluate_probes(
        adapter or Identity(), data or data_set(), protocol or settings(), task_seed=task_seed, progress=progress
    )
    return outcome, {measurement.name: measurement for measurement in outcome.measurements}


def test_the_metrics_are_those_the_settings_ask_for_and_the_catalogue_knows():
    outcome, found = evaluate()
    expected = {"kmeans_3", "kmeans_3_majority", "kmeans_8", "kmeans_8_majority"}
    expected |= {
        f"{family}_{labels}" for family in ("knn", "linear", "svm_linear", "svm_rbf") for labels in (20, 100, "all")
    }
    assert set(found) == set(settings().expected(1)) == expected
    assert all(metric_kind(name).unit == "accuracy" for name in found)
    assert outcome.not_supported == {}


def test_value_draws_and_standard_error():
    _, found = evaluate()
    for name, measurement in found.items():
        assert len(measurement.draws) == (1 if name.endswith("all") else 3)
        assert measurement.value == pytest.approx(np.mean(measurement.draws))
        assert measurement.n == 200
        assert measurement.reason is None
    accuracy = found["knn_all"].value
    assert found["knn_all"].stderr == pytest.approx(np.sqrt(accuracy * (1 - accuracy) / 199))


def test_knn_by_hand():
    data, (_, found) = data_set(), evaluate()
    train, test = data.train.rows.numpy(), data.test.rows.numpy()
    for labels in (20, 100, "all"):
        if labels == "all":
            runs = [np.arange(600)]
        else:
            runs = [draw_labelled(TASK_SEED, draw, labels, 600) for draw in range(3)]
        correct = [knn_by_hand(train[i], data.train_labels[i], test, 10) == data.test_labels for i in runs]
        assert found[f"knn_{labels}"].draws == pytest.approx([hits.mean() for hits in correct])
        per_image = np.mean(correct, axis=0)
        assert found[f"knn_{labels}"].stderr == pytest.approx(per_image.std(ddof=1) / np.sqrt(200))


def test_knn_with_fewer_labels_than_neighbours_uses_them_all():
    data, (_, found) = data_set(), evaluate(protocol=settings(label_counts=(4,)))
    images = draw_labelled(TASK_SEED, 0, 4, 600)
    predictions = knn_by_hand(
        data.train.rows.numpy()[images], data.train_labels[images], data.test.rows.numpy(), neighbours=4
    )
    assert found["knn_4"].draws[0] == pytest.approx((predictions == data.test_labels).mean())


@pytest.mark.parametrize("fitted", [300, "all"])
def test_kmeans_scores_are_the_labels_of_the_nearest_centres_of_the_test_images(fitted):
    protocol = settings(kmeans_clusters=(8,), kmeans_images=fitted, kmeans_starts=2)
    data, (_, found) = data_set(), evaluate(protocol=protocol)
    images = np.arange(600)
    if fitted != "all":
        images = np.sort(numpy_generator(TASK_SEED, "kmeans images").choice(600, fitted, replace=False))
    rows, labels = data.train.rows.numpy()[images], data.train_labels[images]
    by_nearest, by_majority = [], []
    for run in range(3):
        kmeans = fit_kmeans(rows, 8, 2, random_state=derive_seed(TASK_SEED, "kmeans", 8, run) % 2**32)
        distances = squared_distances(rows, kmeans.cluster_centers_)
        nearest = labels[distances.argmin(axis=0)]
        majority = np.array([np.bincount(labels[distances.argmin(axis=1) == cluster]).argmax() for cluster in range(8)])
        assigned = squared_distances(data.test.rows.numpy(), kmeans.cluster_centers_).argmin(axis=1)
        by_nearest.append((nearest[assigned] == data.test_labels).mean())
        by_majority.append((majority[assigned] == data.test_labels).mean())
    assert found["kmeans_8"].draws == pytest.approx(by_nearest)
    assert found["kmeans_8_majority"].draws == pytest.approx(by_majority)
    assert by_nearest != by_majority
    assert len(set(by_majority)) > 1


def test_linear_scores_are_the_draws_accuracies():
    data, (_, found) = data_set(), evaluate()
    images = draw_labelled(TASK_SEED, 2, 100, 600)
    logistic, _ = fit_logistic(data.train.rows.numpy()[images], data.train_labels[images], 1.0, 1000)
    logits = data.test.rows.numpy() @ logistic.coef_.T + logistic.intercept_
    assert found["linear_100"].draws[2] == pytest.approx((logits.argmax(axis=1) == data.test_labels).mean())


def test_a_regression_that_did_not_converge_says_so_and_keeps_its_value():
    _, found = evaluate(protocol=settings(logistic_max_iterations=1))
    assert found["linear_100"].reason == "3 of 3 fits did not converge in 1 iterations"
    assert found["linear_all"].reason == "1 of 1 fits did not converge in 1 iterations"
    assert 0 < found["linear_100"].value < 1


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_svm_scores_are_the_draws_accuracies_with_gamma_over_the_dimensions(kernel):
    data, (_, found) = data_set(), evaluate(protocol=settings(svm_gamma_times_dimensions=2.0))
    images = draw_labelled(TASK_SEED, 1, 100, 600)
    rows, labels = data.train.rows.numpy()[images], data.train_labels[images]
    svm, _ = fit_svm(rows, labels, kernel, c=1.0, gamma=2.0 / 4, max_iterations=100_000)
    predictions = svm.predict(data.test.rows.numpy().astype(np.float64))
    assert found[f"svm_{kernel}_100"].draws[1] == pytest.approx((predictions == data.test_labels).mean())


def test_an_svm_that_did_not_converge_says_so_and_keeps_its_value():
    _, found = evaluate(protocol=settings(svm_max_iterations=1))
    assert found["svm_rbf_100"].reason == "3 of 3 fits did not converge in 1 iterations"
    assert 0 < found["svm_rbf_100"].value < 1


def test_svms_with_all_labels_are_left_out_above_the_dimensions_that_the_task_allows():
    outcome, found = evaluate(protocol=settings(svm_all_dimensions=3))
    reason = "SVMs see all labels in at most 3 dimensions, and these are 4"
    assert outcome.not_supported == dict.fromkeys(("svm_linear_all", "svm_rbf_all"), reason)
    assert "svm_linear_100" in found
    assert "linear_all" in found
    assert not {"svm_linear_all", "svm_rbf_all"} & set(found)


def test_labels_of_one_class_predict_that_class():
    data = data_set()
    _, found = evaluate(protocol=settings(label_counts=(1,), svm_label_counts=(1,), label_draws=2))
    seen = [data.train_labels[draw_labelled(TASK_SEED, draw, 1, 600)[0]] for draw in range(2)]
    assert found["linear_1"].draws == pytest.approx([(data.test_labels == label).mean() for label in seen])
    assert found["knn_1"].draws == found["linear_1"].draws == found["svm_rbf_1"].draws


def test_the_same_model_gives_the_same_outcome_and_another_task_seed_other_draws():
    first, found = evaluate()
    torch.manual_seed(11)
    np.random.seed(11)
    second, _ = evaluate()
    assert first == second
    _, other = evaluate(task_seed=TASK_SEED + 1)
    assert other["knn_20"].draws != found["knn_20"].draws
    assert other["knn_all"] == found["knn_all"]


def test_an_encoder_that_samples_is_seeded_and_the_global_random_state_kept():
    drawn = []

    class Noisy(Identity):
        def encode(self, x):
            drawn.append(torch.randn(len(x), 4))
            return x.flatten(1) + drawn[-1]

    before = torch.get_rng_state()
    first, noisy = evaluate(Noisy())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(12)
    assert evaluate(Noisy())[0] == first
    assert len({float(noise[0, 0]) for noise in drawn[:3]}) == 3  # two batches of training images, one of test images
    assert noisy["knn_all"].value < evaluate()[1]["knn_all"].value


def test_images_are_encoded_in_order_and_in_batches():
    sizes = []

    class Counting(Identity):
        def encode(self, x):
            sizes.append(len(x))
            return super().encode(x)

    steps = []
    evaluate(Counting(), progress=lambda *step: steps.append(step))
    assert sizes == [500, 100, 200]
    total = 3 + 2 + 3 + 3
    assert [step[:3] for step in steps] == [("evaluating", done, total) for done in range(1, total + 1)]
    assert steps[-1][3] == "SVM, all labels"
    assert [step[3] for step in steps[2:6]] == ["representations", "K-Means 3", "K-Means 8", "20 labels"]


def test_a_collapsed_model_is_scored_at_chance_without_a_warning(recwarn):
    class Collapsed(Identity):
        def encode(self, x):
            return torch.zeros(len(x), 2)

    _, found = evaluate(Collapsed())
    classes = np.bincount(data_set().test_labels) / 200
    for measurement in found.values():
        assert all(any(draw == pytest.approx(share) for share in classes) for draw in measurement.draws)
    assert not recwarn.list


def test_representations_that_are_not_finite_have_no_value_but_a_reason():
    data = data_set()
    data.train.rows[3, 1] = float("nan")
    data.test.rows[5, 0] = float("inf")
    outcome, found = evaluate(data=data)
    assert set(found) == set(settings().expected(1))
    for measurement in found.values():
        assert (measurement.value, measurement.stderr, measurement.draws) == (None, None, ())
        assert measurement.reason == "2 of 800 images have a representation that is not finite"
    assert outcome.not_supported == {}


def test_a_model_without_encode_has_no_probe_but_a_reason_for_each():
    outcome, found = evaluate(Adapter(SPEC, "small"))
    assert found == {}
    assert set(outcome.not_supported) == set(settings().expected(1))
    assert set(outcome.not_supported.values()) == {"Adapter has no encode(x), so it has no representation to probe"}


def test_a_task_with_too_few_training_images_lacks_those_probes_only():
    outcome, found = evaluate(data=data_set(train=50))
    reason = "the task has only 50 training images"
    missing = {"kmeans_3", "kmeans_3_majority", "kmeans_8", "kmeans_8_majority"}
    missing |= {f"{family}_100" for family in ("knn", "linear", "svm_linear", "svm_rbf")}
    assert outcome.not_supported == dict.fromkeys(missing, reason)
    families = ("knn", "linear", "svm_linear", "svm_rbf")
    assert set(found) == {f"{family}_{labels}" for family in families for labels in (20, "all")}


def test_as_many_labels_and_images_as_there_are_is_enough():
    counts = {"label_counts": (50,), "svm_label_counts": (50,), "kmeans_images": 50, "kmeans_clusters": (3, 50)}
    outcome, found = evaluate(data=data_set(train=50), protocol=settings(**counts))
    assert outcome.not_supported == {}
    assert {"knn_50", "linear_50", "svm_linear_50", "svm_rbf_50", "kmeans_50"} <= set(found)
    fewer, _ = evaluate(data=data_set(train=50), protocol=settings(**counts | {"kmeans_images": 51}))
    assert {"kmeans_3", "kmeans_50"} <= set(fewer.not_supported)


def test_a_representation_in_a_wrong_shape_is_a_sentence():
    class Maps(Identity):
        def encode(self, x):
            return x

    sentence = r"^Maps\.encode\(x\) returned the representation as float32 \[500, 1, 1, 4\], not a float32 tensor"
    with pytest.raises(MaeBenchError, match=sentence):
        evaluate(Maps())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, about the overflow
@pytest.mark.parametrize("scale", [1e20, 1e37])
def test_a_probe_that_cannot_be_computed_has_a_reason_and_the_others_stand(scale):
    """Finite representations, whose squared distances no float32 holds."""

    class Huge(Identity):
        def encode(self, x):
            return scale * super().encode(x)

    outcome, found = evaluate(Huge())
    assert outcome.not_supported == {}
    assert set(found) == set(settings().expected(1))
    absent = {name for name, measurement in found.items() if measurement.value is None}
    assert {f"knn_{labels}" for labels in (20, 100, "all")} <= absent
    assert {"kmeans_3", "kmeans_3_majority", "kmeans_8", "kmeans_8_majority"} <= absent
    assert not {name for name in found if name.startswith("svm_rbf")} & absent
    for name in absent:
        assert found[name].reason.startswith("it cannot be computed from the model's answers: ")
        assert (found[name].stderr, found[name].draws, found[name].n) == (None, (), 200)


@pytest.mark.parametrize("error", [ValueError("no"), np.linalg.LinAlgError("no"), FloatingPointError(), KeyError(1)])
def test_whatever_a_probe_raises_is_its_own_affair(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(probes, "fit_logistic", fail)
    _, found = evaluate()
    assert {name for name, one in found.items() if one.value is None} == {"linear_20", "linear_100", "linear_all"}
    assert type(error).__name__ in found["linear_20"].reason


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError("disk"), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")]
)
def test_a_fault_of_the_machine_fails_the_job_which_may_succeed_elsewhere(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(probes, "fit_knn", fail)
    with pytest.raises(type(error)):
        evaluate()


def test_an_exception_of_the_models_own_answer_is_raised():
    class Failing(Identity):
        def encode(self, x):
            raise ValueError("the model's")

    with pytest.raises(ValueError, match="the model's"):
        evaluate(Failing())
