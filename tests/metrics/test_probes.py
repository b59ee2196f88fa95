"""The probes against plain NumPy versions of each classifier."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mae_bench.adapter import Adapter, DataSpec
from mae_bench.errors import MaeBenchError
from mae_bench.metrics.catalogue import metric_kind
from mae_bench.metrics.probes import (
    cluster_labels,
    draw_labelled,
    evaluate_probes,
    fit_kmeans,
    fit_knn,
    fit_logistic,
    probe_names,
)
from mae_bench.task import ProbeSettings

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


def blobs(count: int, seed: int, spread: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Three overlapping Gaussian classes in four dimensions."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(3, size=count)
    centres = np.array([[0, 0, 0, 0], [3, 0, 0, 1], [0, 3, 1, 0]])
    return (centres[labels] + spread * generator.normal(size=(count, 4))).astype(np.float32), labels.astype(np.int64)


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
    }
    return ProbeSettings(**{**values, **changes})


def evaluate(adapter=None, data=None, protocol=None, task_seed=TASK_SEED, progress=lambda *_: None):
    outcome = evaluate_probes(
        adapter or Identity(), data or data_set(), protocol or settings(), task_seed=task_seed, progress=progress
    )
    return outcome, {measurement.name: measurement for measurement in outcome.measurements}


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return ((a[:, None, :].astype(np.float64) - b[None, :, :]) ** 2).sum(-1)


def knn_by_hand(train, labels, test, neighbours) -> np.ndarray:
    """Each neighbour votes with the inverse of its distance."""
    distances = np.sqrt(squared_distances(test, train))
    predictions = []
    for row in distances:
        nearest = np.argsort(row, kind="stable")[:neighbours]
        votes = np.bincount(labels[nearest], weights=1 / row[nearest], minlength=3)
        predictions.append(votes.argmax())
    return np.array(predictions)


def test_the_metrics_are_those_the_settings_ask_for_and_the_catalogue_knows():
    outcome, found = evaluate()
    expected = {"kmeans_3", "kmeans_3_majority", "kmeans_8", "kmeans_8_majority"}
    expected |= {f"{family}_{labels}" for family in ("knn", "linear") for labels in (20, 100, "all")}
    assert set(found) == set(probe_names(settings())) == expected
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


def test_distance_weights_matter_to_the_predictions():
    train, labels = blobs(100, 2)
    test, _ = blobs(200, 3)
    weighted = fit_knn(train, labels, 10).predict(test)
    np.testing.assert_array_equal(weighted, knn_by_hand(train, labels, test, 10))
    nearest = np.argsort(squared_distances(test, train), axis=1)[:, :10]
    unweighted = np.array([np.bincount(labels[row], minlength=3).argmax() for row in nearest])
    assert (weighted != unweighted).any()


def test_knn_with_fewer_labels_than_neighbours_uses_them_all():
    data, (_, found) = data_set(), evaluate(protocol=settings(label_counts=(4,)))
    images = draw_labelled(TASK_SEED, 0, 4, 600)
    predictions = knn_by_hand(
        data.train.rows.numpy()[images], data.train_labels[images], data.test.rows.numpy(), neighbours=4
    )
    assert found["knn_4"].draws[0] == pytest.approx((predictions == data.test_labels).mean())


def test_clusters_are_labelled_by_the_nearest_image_and_by_majority():
    rows, labels = blobs(300, 4, spread=2.5)
    kmeans = fit_kmeans(rows, clusters=12, starts=2, random_state=0)
    nearest, majority = cluster_labels(kmeans, rows, labels)
    distances = squared_distances(rows, kmeans.cluster_centers_)
    members = distances.argmin(axis=1)
    for cluster in range(12):
        assert nearest[cluster] == labels[distances[:, cluster].argmin()]
        assert majority[cluster] == np.bincount(labels[members == cluster]).argmax()
    assert (nearest != majority).any()


def test_kmeans_is_a_fixed_point_of_lloyds_algorithm_and_better_than_a_single_start():
    rows, _ = blobs(300, 5)
    one, ten = (fit_kmeans(rows, 12, starts, random_state=3) for starts in (1, 10))
    assert ten.inertia_ < one.inertia_
    members = squared_distances(rows, ten.cluster_centers_).argmin(axis=1)
    means = np.stack([rows[members == cluster].mean(axis=0) for cluster in range(12)])
    np.testing.assert_allclose(ten.cluster_centers_, means, atol=1e-4)


def test_kmeans_scores_are_the_labelled_nearest_centres_of_the_test_images():
    rows, labels = blobs(600, 0)
    data, (_, found) = data_set(), evaluate(protocol=settings(kmeans_images="all", kmeans_starts=10))
    test = data.test.rows.numpy()
    for seed in range(3):  # three well-separated classes: every fit ends in the same clusters
        kmeans = fit_kmeans(rows, 3, 10, random_state=seed)
        nearest, majority = cluster_labels(kmeans, rows, labels)
        assigned = squared_distances(test, kmeans.cluster_centers_).argmin(axis=1)
        assert (nearest[assigned] == data.test_labels).mean() == pytest.approx(found["kmeans_3"].value, abs=0.02)
        assert (majority[assigned] == data.test_labels).mean() == pytest.approx(
            found["kmeans_3_majority"].value, abs=0.02
        )
    assert found["kmeans_3_majority"].value > 0.8


def test_a_cluster_without_images_takes_its_nearest_images_label():
    rows = np.array([[0, 0], [0, 0], [5, 5]], dtype=np.float32)
    labels = np.array([1, 1, 2])
    kmeans = fit_kmeans(rows, clusters=3, starts=1, random_state=0)
    nearest, majority = cluster_labels(kmeans, rows, labels)
    assert set(nearest) == set(majority) == {1, 2}
    np.testing.assert_array_equal(nearest, majority)


def test_logistic_regression_minimises_the_penalised_loss():
    rows, labels = blobs(150, 6)
    c = 0.3
    logistic, converged = fit_logistic(rows, labels, c, max_iterations=1000)
    assert converged
    weight = torch.tensor(logistic.coef_, requires_grad=True)
    bias = torch.tensor(logistic.intercept_, requires_grad=True)
    logits = torch.from_numpy(rows).double() @ weight.T + bias
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels), reduction="sum")
    (loss + weight.square().sum() / (2 * c)).backward()
    assert weight.grad.abs().max() < 150 * 2e-6
    assert bias.grad.abs().max() < 150 * 2e-6
    assert (weight / c).abs().max() > 0.1  # the penalty's own gradient, which the loss's must balance


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


def test_labels_of_one_class_predict_that_class():
    data = data_set()
    _, found = evaluate(protocol=settings(label_counts=(1,), label_draws=2))
    seen = [data.train_labels[draw_labelled(TASK_SEED, draw, 1, 600)[0]] for draw in range(2)]
    assert found["linear_1"].draws == pytest.approx([(data.test_labels == label).mean() for label in seen])
    assert found["knn_1"].draws == found["linear_1"].draws


def test_label_draws_are_the_same_for_every_model():
    assert draw_labelled(1998, 0, 100, 58000)[:6].tolist() == [86, 1231, 1315, 1436, 2290, 2696]
    assert draw_labelled(1998, 1, 100, 58000)[:6].tolist() == [5, 287, 901, 1021, 1129, 1676]
    assert len(set(draw_labelled(1998, 0, 1000, 1000).tolist())) == 1000


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
    class Noisy(Identity):
        def encode(self, x):
            return x.flatten(1) + torch.randn(len(x), 4)

    before = torch.get_rng_state()
    first, noisy = evaluate(Noisy())
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(12)
    assert evaluate(Noisy())[0] == first
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
    total = 3 + 2 + 3
    assert [step[:3] for step in steps] == [("evaluating", done, total) for done in range(1, total + 1)]
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
    assert set(found) == set(probe_names(settings()))
    for measurement in found.values():
        assert (measurement.value, measurement.stderr, measurement.draws) == (None, None, ())
        assert measurement.reason == "2 of 800 images have a representation that is not finite"
    assert outcome.not_supported == {}


def test_a_model_without_encode_has_no_probe_but_a_reason_for_each():
    outcome, found = evaluate(Adapter(SPEC, "small"))
    assert found == {}
    assert set(outcome.not_supported) == set(probe_names(settings()))
    assert set(outcome.not_supported.values()) == {"Adapter has no encode(x), so it has no representation to probe"}


def test_a_task_with_too_few_training_images_lacks_those_probes_only():
    outcome, found = evaluate(data=data_set(train=50))
    reason = "the task has only 50 training images"
    missing = ("kmeans_3", "kmeans_3_majority", "kmeans_8", "kmeans_8_majority", "knn_100", "linear_100")
    assert outcome.not_supported == dict.fromkeys(missing, reason)
    assert set(found) == {"knn_20", "knn_all", "linear_20", "linear_all"}


def test_a_representation_in_a_wrong_shape_is_a_sentence():
    class Maps(Identity):
        def encode(self, x):
            return x

    sentence = r"^Maps\.encode\(x\) returned the representation as float32 \[500, 1, 1, 4\] where a float32 tensor"
    with pytest.raises(MaeBenchError, match=sentence):
        evaluate(Maps())
