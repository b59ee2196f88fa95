"""What simple classifiers find in a model's representations (the paper's Tables 2 and 5).

Each image is encoded once, a binary task's thresholded at half its grey range; the representations are used as they
are, unscaled. Every probe is fitted on the training split and scored on the test split. Subsets, label draws and the
random states of the fits come from the task's seed, so that every model is probed with the same ones. If
a probe makes `label_draws` runs, its value is their mean; its standard error is over test images, however many runs
there are.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from torch import Tensor

from mae_bench.adapter import Adapter, Images, NotSupported, Progress
from mae_bench.foundation.seeding import derive_seed, numpy_generator
from mae_bench.metrics.answers import IMAGES_PER_BATCH, ask_representation, seeded
from mae_bench.metrics.outcome import Measurement, Outcome, computed, without_value
from mae_bench.metrics.settings import KERNELS, Kernel, LabelCount, ProbeSettings

MOST_CHOLESKY_WEIGHTS = 1000
"""A logistic regression with more weights takes its Newton steps by conjugate gradients, not Cholesky's method."""
WITHOUT_LABELS = "the images of the task have no labels"
"""The reason for the absence of every probe where that is so: all labels are then -1."""
_SVM_CACHE_MIB = 1000

Representations = NDArray[np.float32]
Labels = NDArray[np.int64]
Indices = NDArray[np.int64]


class ProbedImages(Images, Protocol):
    """Images that can be encoded without chance."""

    def thresholded(self, indices: Tensor) -> Tensor:
        """x for the images `indices` [B], the bits of a binary task by a threshold: float32 [B, C, H, W]."""
        ...


class LabelledSplits(Protocol):
    """What the probes need of a data set (`mae_bench.data.DataSet`)."""

    @property
    def train(self) -> ProbedImages: ...
    @property
    def test(self) -> ProbedImages: ...
    @property
    def train_labels(self) -> Labels: ...
    @property
    def test_labels(self) -> Labels: ...


def evaluate_probes(
    adapter: Adapter, data: LabelledSplits, settings: ProbeSettings, *, task_seed: int, progress: Progress
) -> Outcome:
    """K-Means, KNN, logistic regression and SVMs on the representations of all training and test images.

    Images without labels have no probe, with that reason for each, and a model without `encode` has none with its own.
    One with a representation that is not finite has probes without a value, and so has a probe whose computation fails,
    as by distances that are too large; a probe that needs more training images than there are, or fewer dimensions, is
    absent with that reason. MaeBenchError if `encode` answers in a wrong shape.
    """
    names = list(settings.expected(len(data.test)))
    batches = sum(-(-len(images) // IMAGES_PER_BATCH) for images in (data.train, data.test))
    steps = count(1)
    total = batches + len(settings.kmeans_clusters) + len(settings.label_counts) + len(settings.svm_label_counts)

    def step_done(note: str) -> None:
        progress("evaluating", next(steps), total, note)

    if (data.train_labels < 0).all():
        return Outcome([], dict.fromkeys(names, WITHOUT_LABELS))
    adapter.eval()
    try:
        train = _encode(adapter, data.train, derive_seed(task_seed, "encode", "train"), step_done)
        test = _encode(adapter, data.test, derive_seed(task_seed, "encode", "test"), step_done)
    except NotSupported as error:
        return Outcome([], dict.fromkeys(names, str(error)))
    encoded = len(train) + len(test)
    if faulty := encoded - sum(int(np.isfinite(split).all(axis=1).sum()) for split in (train, test)):
        reason = f"{faulty} of {encoded} images have a representation that is not finite"
        return Outcome(without_value(names, len(test), reason), {})
    splits = _Splits(train, data.train_labels, test, data.test_labels)
    n = len(test)
    measurements: list[Measurement] = []
    for clusters in settings.kmeans_clusters:
        fitted = len(train) if settings.kmeans_images == "all" else settings.kmeans_images
        if max(clusters, fitted) <= len(train):
            pair = [f"kmeans_{clusters}", f"kmeans_{clusters}_majority"]
            measurements += computed(pair, n, partial(_kmeans, splits, clusters, settings, task_seed))
        step_done(f"K-Means {clusters}")
    for labels in settings.label_counts:
        if labels == "all" or labels <= len(train):
            runs = _labelled(len(train), labels, settings.label_draws, task_seed)
            measurements += computed([f"knn_{labels}"], n, partial(_knn, splits, labels, runs, settings))
            measurements += computed([f"linear_{labels}"], n, partial(_linear, splits, labels, runs, settings))
        step_done(f"{labels} labels")
    too_wide = train.shape[1] > settings.svm_all_dimensions
    for labels in settings.svm_label_counts:
        possible = not too_wide if labels == "all" else labels <= len(train)
        if possible:
            runs = _labelled(len(train), labels, settings.label_draws, task_seed)
            for kernel in KERNELS:
                probe = partial(_svm, splits, kernel, labels, runs, settings)
                measurements += computed([f"svm_{kernel}_{labels}"], n, probe)
        step_done(f"SVM, {labels} labels")
    measured = {measurement.name for measurement in measurements}
    absent = dict.fromkeys(
        (name for name in names if name not in measured), f"the task has only {len(train)} training images"
    )
    if too_wide and "all" in settings.svm_label_counts:
        reason = (
            f"SVMs see all labels in at most {settings.svm_all_dimensions} dimensions, and these are {train.shape[1]}"
        )
        absent |= {f"svm_{kernel}_all": reason for kernel in KERNELS}
    return Outcome(measurements, absent)


def draw_labelled(task_seed: int, draw: int, labels: int, available: int) -> Indices:
    """The training images whose labels a run sees, in ascending order: uniform, without replacement, anew each draw."""
    generator = numpy_generator(task_seed, "labels", draw, labels)
    return np.sort(generator.choice(available, labels, replace=False))


def fit_kmeans(representations: Representations, clusters: int, starts: int, random_state: int) -> KMeans:
    """K-Means++ with `starts` starts, the best kept. Fewer distinct points than clusters leave some of them empty.

    FloatingPointError if the sum of the squared distances is not finite.
    """
    kmeans = KMeans(
        clusters,
        init="k-means++",
        n_init=starts,
        max_iter=300,
        tol=1e-4,
        algorithm="lloyd",
        random_state=random_state,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # only says that points coincide, as in a collapsed model
        fitted = kmeans.fit(representations)
    if not np.isfinite(fitted.inertia_):
        raise FloatingPointError("squared distances are too large for a float32")  # where any clusters are as good
    return fitted


def cluster_labels(kmeans: KMeans, representations: Representations, labels: Labels) -> tuple[Labels, Labels]:
    """The label of each cluster by its nearest image and by majority vote: two arrays [clusters].

    representations, labels: the images it was fitted on. Of equally near images, or equally frequent labels, the first
    counts; a cluster without images has its nearest image's label in both.
    """
    nearest = labels[kmeans.transform(representations).argmin(axis=0)]
    votes = np.zeros((kmeans.n_clusters, labels.max() + 1), dtype=np.int64)
    np.add.at(votes, (kmeans.labels_, labels), 1)
    return nearest, np.where(votes.any(axis=1), votes.argmax(axis=1), nearest)


def fit_knn(representations: Representations, labels: Labels, neighbours: int) -> KNeighborsClassifier:
    """KNN, neighbours weighted by inverse Euclidean distance; all images if there are fewer than `neighbours`."""
    knn = KNeighborsClassifier(
        min(neighbours, len(labels)), weights="distance", algorithm="brute", metric="minkowski", p=2
    )
    return knn.fit(representations, labels)


def fit_logistic(
    representations: Representations, labels: Labels, c: float, max_iterations: int
) -> tuple[LogisticRegression, bool]:
    """Multinomial logistic regression with an L2 penalty of 1/(2c) |w|^2 on the sum of the losses; did it converge?

    With two classes it is binary logistic regression, whose penalty is on one vector of weights rather than two.

    labels: of at least two classes. Convergence: no element of the gradient of the mean loss beyond 1e-6, in float64.
    """
    # Both solvers end at the one optimum. Cholesky's is the faster, but its steps grow with the cube of the weights.
    # The L2 penalty is the only one of both, and naming it is deprecated.
    weights = (representations.shape[1] + 1) * len(np.unique(labels))
    solver = "newton-cholesky" if weights <= MOST_CHOLESKY_WEIGHTS else "newton-cg"
    logistic = LogisticRegression(C=c, solver=solver, tol=1e-6, max_iter=max_iterations, fit_intercept=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        logistic.fit(representations.astype(np.float64), labels)
    return logistic, not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)


def fit_svm(
    representations: Representations, labels: Labels, kernel: Kernel, *, c: float, gamma: float, max_iterations: int
) -> tuple[SVC, bool]:
    """A support vector machine for every two classes (libsvm's C-SVM), which vote; did all of them converge?

    The kernel is <x, y> or exp(-gamma |x - y|^2); c: of the slack; max_iterations: of a pair of classes. labels: of at
    least two classes.
    """
    svm = SVC(C=c, kernel=kernel, gamma=gamma, tol=1e-3, max_iter=max_iterations, cache_size=_SVM_CACHE_MIB)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        svm.fit(representations.astype(np.float64), labels)
    return svm, not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)


class _Classifier(Protocol):
    def predict(self, representations: NDArray[np.float64]) -> Labels: ...


@dataclass(frozen=True)
class _Splits:
    """The representations and labels that every probe works on."""

    train: Representations
    train_labels: Labels
    test: Representations
    test_labels: Labels


def _encode(adapter: Adapter, images: ProbedImages, seed: int, step_done: Callable[[str], None]) -> Representations:
    """[N, D]. The random state is set for an encoder that samples."""
    batches: list[Representations] = []
    for batch, indices in enumerate(torch.split(torch.arange(len(images)), IMAGES_PER_BATCH)):
        x = images.thresholded(indices)
        with seeded(derive_seed(seed, batch), x.device):
            batches.append(ask_representation(adapter, x))
        step_done("representations")
    return np.concatenate(batches)


def _kmeans(splits: _Splits, clusters: int, settings: ProbeSettings, task_seed: int) -> list[Measurement]:
    """`label_draws` fits on the same images, each with its own random state."""
    images: Indices = np.arange(len(splits.train))
    if settings.kmeans_images != "all":
        generator = numpy_generator(task_seed, "kmeans images")
        images = np.sort(generator.choice(len(images), settings.kmeans_images, replace=False))
    representations, labels = splits.train[images], splits.train_labels[images]
    by_nearest, by_majority = [], []
    for run in range(settings.label_draws):
        random_state = derive_seed(task_seed, "kmeans", clusters, run) % 2**32
        kmeans = fit_kmeans(representations, clusters, settings.kmeans_starts, random_state)
        nearest, majority = cluster_labels(kmeans, representations, labels)
        assigned = kmeans.predict(splits.test)
        by_nearest.append(nearest[assigned] == splits.test_labels)
        by_majority.append(majority[assigned] == splits.test_labels)
    return [_accuracy(f"kmeans_{clusters}", by_nearest), _accuracy(f"kmeans_{clusters}_majority", by_majority)]


def _labelled(available: int, labels: LabelCount, draws: int, task_seed: int) -> list[Indices]:
    """The labelled training images of each run; with all of them there is one run."""
    if labels == "all":
        return [np.arange(available)]
    return [draw_labelled(task_seed, draw, labels, available) for draw in range(draws)]


def _knn(splits: _Splits, labels: LabelCount, runs: list[Indices], settings: ProbeSettings) -> list[Measurement]:
    correct = []
    for images in runs:
        knn = fit_knn(splits.train[images], splits.train_labels[images], settings.knn_neighbours)
        correct.append(knn.predict(splits.test) == splits.test_labels)
    return [_accuracy(f"knn_{labels}", correct)]


def _linear(splits: _Splits, labels: LabelCount, runs: list[Indices], settings: ProbeSettings) -> list[Measurement]:
    def fit(representations: Representations, seen: Labels) -> tuple[_Classifier, bool]:
        return fit_logistic(representations, seen, settings.logistic_c, settings.logistic_max_iterations)

    return [_fitted(f"linear_{labels}", splits, runs, fit, settings.logistic_max_iterations)]


def _svm(
    splits: _Splits, kernel: Kernel, labels: LabelCount, runs: list[Indices], settings: ProbeSettings
) -> list[Measurement]:
    gamma = settings.svm_gamma_times_dimensions / splits.train.shape[1]

    def fit(representations: Representations, seen: Labels) -> tuple[_Classifier, bool]:
        return fit_svm(
            representations, seen, kernel, c=settings.svm_c, gamma=gamma, max_iterations=settings.svm_max_iterations
        )

    return [_fitted(f"svm_{kernel}_{labels}", splits, runs, fit, settings.svm_max_iterations)]


def _fitted(
    name: str,
    splits: _Splits,
    runs: Sequence[Indices],
    fit: Callable[[Representations, Labels], tuple[_Classifier, bool]],
    max_iterations: int,
) -> Measurement:
    """The accuracy of a classifier fitted anew to the labels of each run; beside it, how many did not converge."""
    correct, unconverged = [], 0
    for images in runs:
        seen = splits.train_labels[images]
        if (seen == seen[0]).all():  # one class leaves nothing to fit
            correct.append(splits.test_labels == seen[0])
            continue
        classifier, converged = fit(splits.train[images], seen)
        unconverged += not converged
        correct.append(classifier.predict(splits.test.astype(np.float64)) == splits.test_labels)
    reason = f"{unconverged} of {len(runs)} fits did not converge in {max_iterations} iterations"
    return _accuracy(name, correct, reason if unconverged else None)


def _accuracy(name: str, correct: list[NDArray[np.bool_]], reason: str | None = None) -> Measurement:
    """correct: for each run, whether each test image was classified right."""
    runs = np.stack(correct)
    return Measurement.over_images(name, runs.mean(axis=0), tuple(runs.mean(axis=1).tolist()), reason)
