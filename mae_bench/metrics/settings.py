"""What a protocol fixes for each family of metrics, and which metrics it thereby asks for. Does not import torch."""

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from mae_bench.foundation.settings import Count, Settings
from mae_bench.metrics.catalogue import metrics_of

LabelCount = Count | Literal["all"]
Kernel = Literal["linear", "rbf"]
KERNELS: tuple[Kernel, ...] = ("linear", "rbf")


@dataclass(frozen=True)
class Expected:
    """What a protocol says of one metric before it is measured, beside what `MetricKind` says.

    n: test images. has_stderr: whether there is a standard error over them. draws: runs of a probe. highest: a bound
    that hangs on the settings.
    """

    n: int
    has_stderr: bool
    draws: int = 0
    highest: float | None = None


class DensitySettings(Settings):
    """The importance-weighted estimator."""

    importance_samples: Count
    images_per_shard: Count
    samples_per_chunk: Count
    test_images: LabelCount
    """How many test images are scored; if not all, the task's seed draws them."""

    @model_validator(mode="after")
    def _chunks_fill_the_samples(self) -> Self:
        if self.importance_samples % self.samples_per_chunk:
            raise ValueError("importance_samples must be a multiple of samples_per_chunk")
        if self.samples_per_chunk & (self.samples_per_chunk - 1):
            raise ValueError("samples_per_chunk must be a power of two, so that NLL(1), NLL(4), ... share its draws")
        return self

    def expected(self, test_images: int) -> dict[str, Expected]:
        """The metrics that these settings ask for, if the task has so many test images."""
        n = test_images if self.test_images == "all" else self.test_images
        expected = dict.fromkeys(metrics_of("density"), Expected(n, has_stderr=n > 1))
        return expected | {
            "effective_sample_size": Expected(n, has_stderr=n > 1, highest=float(self.importance_samples))
        }


class PosteriorSettings(Settings):
    """Posterior geometry: MPD, its standard deviation and active units."""

    test_images: Count
    """How many test images, the first ones, make the ordered pairs."""
    active_unit_variance: Annotated[float, Field(gt=0)]
    """A unit is active if the variance of its posterior mean over those images exceeds this."""

    def expected(self, test_images: int) -> dict[str, Expected]:
        """The metrics that these settings ask for."""
        n = min(self.test_images, test_images)
        expected = dict.fromkeys(metrics_of("posterior"), Expected(n, has_stderr=n > 2))
        return expected | {"active_units": Expected(n, has_stderr=False)}


class ProbeSettings(Settings):
    """The probes of the paper's Tables 2 and 5; every setting is fixed here, none left to a library's default."""

    label_counts: tuple[LabelCount, ...]
    label_draws: Count
    kmeans_clusters: tuple[Count, ...]
    kmeans_starts: Count
    kmeans_images: LabelCount
    """How many training images K-Means is fitted on; if not all, the task's seed draws them."""
    knn_neighbours: Count
    logistic_c: Annotated[float, Field(gt=0)]
    logistic_max_iterations: Count
    svm_label_counts: tuple[LabelCount, ...]
    svm_c: Annotated[float, Field(gt=0)]
    svm_gamma_times_dimensions: Annotated[float, Field(gt=0)]
    """The RBF kernel's gamma is this over the dimensions of the representation."""
    svm_max_iterations: Count
    """For each pair of classes."""
    svm_all_dimensions: Count
    """The most dimensions in which SVMs are fitted with all labels; more would take hours."""

    def expected(self, test_images: int) -> dict[str, Expected]:
        """The metrics that these settings ask for, if the task has so many test images."""
        names = [
            *(f"kmeans_{clusters}{vote}" for clusters in self.kmeans_clusters for vote in ("", "_majority")),
            *(f"{family}_{labels}" for family in ("knn", "linear") for labels in self.label_counts),
            *(f"svm_{kernel}_{labels}" for kernel in KERNELS for labels in self.svm_label_counts),
        ]
        return {
            name: Expected(test_images, test_images > 1, draws=1 if name.endswith("_all") else self.label_draws)
            for name in names
        }


def sample_levels(samples: int) -> tuple[int, ...]:
    """The k at which the NLL is also reported: the powers of four that divide `samples`, and `samples`."""
    powers = (4**exponent for exponent in range(samples.bit_length()))
    return (*(k for k in powers if k < samples and samples % k == 0), samples)
