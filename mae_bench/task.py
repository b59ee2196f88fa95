"""A task: data and protocol, read from one TOML file and validated. Does not import torch."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mae_bench.canonical import sha256_of
from mae_bench.errors import UsageError
from mae_bench.metrics.catalogue import MetricName

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""Of a task or a preset; it is also a folder of the store."""
Count = Annotated[int, Field(gt=0)]
LabelCount = Count | Literal["all"]
Tolerance = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PRESETS = ("smoke", "small", "paper")
DEFAULT_PRESET = "small"


class Settings(BaseModel):
    """The base of everything read from a task file: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitSizes(Settings):
    """How many images the three splits have."""

    train: Count
    validation: Count
    test: Count


class DataSettings(Settings):
    """What the images are and how they are split."""

    source: str
    """A loader of `mae_bench.data` ("digits", "mnist") or `package.module:function` of an installed package."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """Over all loaded arrays: `mae_bench.data.arrays.hash_arrays`."""
    git_blob: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    """In place of `sha256`, where only this is published: the git blob id of the one file that the source reads."""
    shape: tuple[Count, Count, Count]
    likelihood: Literal["bernoulli", "discretized_logistic_mixture"]
    levels: Count
    """The largest grey level; a bit is 1 with probability grey / levels."""
    classes: Count
    train_size: Count
    validation_size: Count
    """Drawn from the source's training images by the task's seed."""
    test_size: Count
    """The source's own test images where it has them, else drawn by the task's seed."""

    @model_validator(mode="after")
    def _there_is_one_hash(self) -> Self:
        if (self.sha256 is None) == (self.git_blob is None):
            raise ValueError("give either sha256 or git_blob")
        return self

    def sizes(self, subset: SplitSizes | None = None) -> SplitSizes:
        """Of the splits, or of those subsets of them."""
        return subset or SplitSizes(train=self.train_size, validation=self.validation_size, test=self.test_size)


class TrainingSettings(Settings):
    """The default loop (`mae_bench.training`). What a rate is halved for is patience epochs without gain."""

    batch_size: Count
    initialisation_images: Count
    learning_rate: Annotated[float, Field(gt=0)]
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)]
    """Multiplies the rate after every step."""
    adam_betas: tuple[float, float]
    gradient_clip: Annotated[float, Field(gt=0)]
    """The largest norm of the gradient of all weights together."""
    polyak_decay: Annotated[float, Field(ge=0, lt=1)]
    """Of the average of the weights that every evaluation uses."""
    patience: Count
    halvings: Annotated[int, Field(ge=0)]
    """The last of which ends the training instead: 3 halves the rate twice. 0: for ever, without such an end."""
    max_epochs: Count


class DensitySettings(Settings):
    """The importance-weighted estimator."""

    importance_samples: Count
    images_per_shard: Count
    samples_per_chunk: Count
    test_images: LabelCount
    """How many test images are scored; drawn by the task's seed where that is not all."""

    @model_validator(mode="after")
    def _chunks_fill_the_samples(self) -> Self:
        if self.importance_samples % self.samples_per_chunk:
            raise ValueError("importance_samples must be a multiple of samples_per_chunk")
        if self.samples_per_chunk & (self.samples_per_chunk - 1):
            raise ValueError("samples_per_chunk must be a power of two, so that NLL(1), NLL(4), ... share its draws")
        return self


class PosteriorSettings(Settings):
    """Posterior geometry: MPD, its STD and active units."""

    test_images: Count
    """The first so many test images; all ordered pairs of them."""
    active_unit_variance: Annotated[float, Field(gt=0)]
    """A unit is active where the variance of its posterior mean over those images exceeds this."""


class ProbeSettings(Settings):
    """The probes of the paper's Tables 2 and 5; every setting fixed here, none left to a library's default."""

    label_counts: tuple[LabelCount, ...]
    label_draws: Count
    kmeans_clusters: tuple[Count, ...]
    kmeans_starts: Count
    kmeans_images: LabelCount
    """How many training images K-Means is fitted on; drawn by the task's seed where that is not all."""
    knn_neighbours: Count
    logistic_c: Annotated[float, Field(gt=0)]
    logistic_max_iterations: Count
    svm_label_counts: tuple[LabelCount, ...]
    svm_c: Annotated[float, Field(gt=0)]
    svm_gamma_times_dimensions: Annotated[float, Field(gt=0)]
    """The RBF kernel's gamma is this over the dimensions of the representation."""
    svm_max_iterations: Count
    """Of each pair of classes."""
    svm_all_dimensions: Count
    """SVMs with all labels are fitted to representations of at most so many dimensions; more would take hours."""


class Protocol(Settings):
    """Everything a preset fixes, fully resolved."""

    training: TrainingSettings
    density: DensitySettings
    posterior: PosteriorSettings
    probes: ProbeSettings
    subset: SplitSizes | None = None
    """Where a preset trains and is scored on fixed subsets of the splits, drawn by the task's seed; None: all images.
    All that counts images at the preset counts those."""


class ReportedRow(Settings):
    """A row that somebody else published: shown beneath ours, never ranked with them."""

    model: str
    citation: str
    metrics: dict[MetricName, float]
    spreads: dict[MetricName, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = {}
    """Standard deviations that were printed with them."""


class Task(Settings):
    """One task file. `presets` holds the resolved protocol of each preset."""

    name: Name
    version: Count
    title: str
    description: str
    seed: Annotated[int, Field(ge=0)]
    data: DataSettings
    presets: dict[Name, Protocol]
    reported: tuple[ReportedRow, ...] = ()
    tolerances: dict[Name, dict[MetricName, Tolerance]] = {}
    """For `mae-bench compare`, by preset: the largest change of a mean over seeds that counts as none. Not part of the
    protocol, since no number depends on it."""

    @model_validator(mode="after")
    def _there_are_enough_images(self) -> Self:
        for preset, protocol in self.presets.items():
            sizes = self.data.sizes(protocol.subset)
            for split, size in sizes:
                if size > (available := getattr(self.data.sizes(), split)):
                    raise ValueError(f"presets.{preset}.subset.{split} is {size}, but there are {available}")
            for section in ("density", "posterior"):
                wanted = getattr(protocol, section).test_images
                if wanted != "all" and wanted > sizes.test:
                    raise ValueError(f"presets.{preset}.{section}.test_images is {wanted}, but there are {sizes.test}")
            images, clusters = protocol.probes.kmeans_images, max(protocol.probes.kmeans_clusters, default=1)
            if (sizes.train if images == "all" else images) < clusters:
                raise ValueError(f"presets.{preset}.probes.kmeans_images must be at least {clusters}, one a cluster")
        return self

    @model_validator(mode="after")
    def _tolerances_are_of_presets(self) -> Self:
        if unknown := set(self.tolerances) - set(self.presets):
            raise ValueError(f"tolerances.{min(unknown)} is of no preset")
        return self

    def protocol(self, preset: str) -> Protocol:
        """The protocol of `preset`; UsageError names the presets there are."""
        if preset not in self.presets:
            raise UsageError(f"task {self.name} has no preset {preset!r}; choose one of {', '.join(self.presets)}.")
        return self.presets[preset]

    def resolved(self, preset: str) -> dict[str, Any]:
        """The protocol of `preset` with the data it stands on, as JSON: what `protocol_hash` is taken over."""
        return {
            "task": self.name,
            "version": self.version,
            "seed": self.seed,
            "data": self.data.model_dump(mode="json", exclude_none=True),
            **self.protocol(preset).model_dump(mode="json", exclude_none=True),
        }

    def protocol_hash(self, preset: str) -> str:
        """SHA-256 of `resolved(preset)`."""
        return sha256_of(self.resolved(preset))


def load_task(path: Path) -> Task:
    """Read and validate a task file.

    In the file, `[training]`, `[density]`, `[posterior]` and `[probes]` hold what all presets share; a preset's own
    tables (`[presets.small.training]`) replace single keys of them. `[presets.small.subset]` stands alone. UsageError
    names the file and the first fault.
    """
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(
            f"task file {path.name} cannot be read ({error}); give a TOML file like tasks/digits.toml."
        ) from error
    sections = {name: text.pop(name, {}) for name in Protocol.model_fields}
    presets = text.get("presets", {})
    text["presets"] = {
        preset: {name: merged for name, shared in sections.items() if (merged := {**shared, **own.get(name, {})})}
        for preset, own in presets.items()
    }
    try:
        unknown = [f"presets.{p}.{key}" for p, own in presets.items() for key in own if key not in sections]
        if unknown:
            raise UsageError(f"task file {path.name}: {unknown[0]} is not a section of a protocol; remove it.")
        return Task.model_validate(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"task file {path.name}: {where}: {first['msg']}; mend the file.") from error
