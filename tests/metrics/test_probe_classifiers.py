"""Each probe's classifier against its definition."""

import numpy as np
import pytest
import torch

from mae_bench.metrics import probes
from mae_bench.metrics.probes import cluster_labels, draw_labelled, fit_kmeans, fit_knn, fit_logistic, fit_svm
from tests.metrics.plain_numpy import blobs, knn_by_hand, squared_distances


def test_distance_weights_matter_to_the_predictions():
    train, labels = blobs(100, 2)
    test, _ = blobs(200, 3)
    weighted = fit_knn(train, labels, 10).predict(test)
    np.testing.assert_array_equal(weighted, knn_by_hand(train, labels, test, 10))
    nearest = np.argsort(squared_distances(test, train), axis=1)[:, :10]
    unweighted = np.array([np.bincount(labels[row], minlength=3).argmax() for row in nearest])
    assert (weighted != unweighted).any()


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


def test_kmeans_has_the_settings_of_the_protocol():
    found = fit_kmeans(blobs(30, 5)[0], clusters=4, starts=7, random_state=11).get_params()
    expected = {"n_clusters": 4, "init": "k-means++", "n_init": 7, "max_iter": 300, "tol": 1e-4, "algorithm": "lloyd"}
    assert found.items() >= (expected | {"random_state": 11}).items()


def test_a_cluster_without_images_takes_its_nearest_images_label():
    rows = np.array([[0, 0], [0, 0], [5, 5]], dtype=np.float32)
    labels = np.array([1, 1, 2])
    kmeans = fit_kmeans(rows, clusters=3, starts=1, random_state=0)
    nearest, majority = cluster_labels(kmeans, rows, labels)
    assert set(nearest) == set(majority) == {1, 2}
    np.testing.assert_array_equal(nearest, majority)


@pytest.mark.parametrize(
    ("most_cholesky_weights", "solver"),
    [(1000, "newton-cholesky"), (15, "newton-cholesky"), (14, "newton-cg"), (0, "newton-cg")],
)
def test_logistic_regression_minimises_the_penalised_loss(monkeypatch, most_cholesky_weights, solver):
    monkeypatch.setattr(probes, "MOST_CHOLESKY_WEIGHTS", most_cholesky_weights)
    rows, labels = blobs(150, 6)
    c = 0.3
    logistic, converged = fit_logistic(rows, labels, c, max_iterations=1000)
    assert converged
    assert logistic.solver == solver
    weight = torch.tensor(logistic.coef_, requires_grad=True)
    bias = torch.tensor(logistic.intercept_, requires_grad=True)
    logits = torch.from_numpy(rows).double() @ weight.T + bias
    loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels), reduction="sum")
    (loss + weight.square().sum() / (2 * c)).backward()
    assert weight.grad.abs().max() < 150 * 2e-6
    assert bias.grad.abs().max() < 150 * 2e-6
    assert (weight / c).abs().max() > 0.1  # the penalty's own gradient, which the loss's must balance


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_a_support_vector_machine_closes_the_gap_between_primal_and_dual(kernel):
    c, gamma = 0.7, 0.25
    rows, labels = blobs(200, 7)
    rows, labels = rows[labels < 2], labels[labels < 2]
    svm, converged = fit_svm(rows, labels, kernel, c=c, gamma=gamma, max_iterations=100_000)
    assert converged
    products = rows.astype(np.float64) @ rows.T.astype(np.float64)
    gram = products if kernel == "linear" else np.exp(-gamma * squared_distances(rows, rows))
    signed = np.zeros(len(rows))  # alpha_i y_i, in [-c, c]
    signed[svm.support_] = svm.dual_coef_[0]
    sides = np.where(labels == 1, 1.0, -1.0)
    decision = gram @ signed + svm.intercept_[0]
    norm = signed @ gram @ signed
    primal = norm / 2 + c * np.maximum(0, 1 - sides * decision).sum()
    dual = (signed * sides).sum() - norm / 2
    assert (signed * sides).min() >= 0
    assert np.abs(signed).max() <= c
    assert dual == pytest.approx(primal, rel=1e-3)
    np.testing.assert_array_equal(svm.predict(rows.astype(np.float64)), decision > 0)


def test_support_vector_machines_of_pairs_of_classes_vote():
    (rows, labels), (test, _) = blobs(150, 8), blobs(100, 9)
    votes = np.zeros((len(test), 3))
    for pair in ((0, 1), (0, 2), (1, 2)):
        seen = np.isin(labels, pair)
        of_pair, _ = fit_svm(rows[seen], labels[seen], "rbf", c=1.0, gamma=0.25, max_iterations=100_000)
        votes[np.arange(len(test)), of_pair.predict(test.astype(np.float64))] += 1
    clear = (votes == 2).any(axis=1)
    assert clear.sum() > 90
    predicted = fit_svm(rows, labels, "rbf", c=1.0, gamma=0.25, max_iterations=100_000)[0].predict(
        test.astype(np.float64)
    )
    np.testing.assert_array_equal(predicted[clear], votes[clear].argmax(axis=1))


def test_label_draws_are_the_same_for_every_model():
    assert draw_labelled(1998, 0, 100, 58000)[:6].tolist() == [86, 1231, 1315, 1436, 2290, 2696]
    assert draw_labelled(1998, 1, 100, 58000)[:6].tolist() == [5, 287, 901, 1021, 1129, 1676]
    assert len(set(draw_labelled(1998, 0, 1000, 1000).tolist())) == 1000
