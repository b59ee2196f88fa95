"""A task: data and protocol, read from one TOML file and validated. Does not import torch."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from mae_bench.foundation.canonical import sha256_of
from mae_bench.foundation.errors import UsageError
from mae_bench.foundation.settings import Count, Settings, read_toml, validated
from mae_bench.metrics.catalogue import MetricName
from mae_bench.metrics.settings import DensitySettings, PosteriorSettings, ProbeSettings

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""The name of a task or a preset; it is also a folder of the store."""
Tolerance = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PRESETS = ("smoke", "small", "paper")
DEFAULT_PRESET = "small"


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
    """The hash of all loaded arrays (`mae_bench.data.arrays.hash_arrays`)."""
    git_blob: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    """In place of `sha256`, where only this is published: the git blob id of the one file that the source reads."""
    shape: tuple[Count, Count, Count]
    likelihood: Literal["bernoulli", "discretized_logistic_mixture"]
    levels: Count
    """The largest level of a pixel; a bit is 1 with probability pixel / levels."""
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
        """The sizes of the splits, or of those subsets of them."""
        return subset or SplitSizes(train=self.train_size, validation=self.validation_size, test=self.test_size)


class TrainingSettings(Settings):
    """The default loop (`mae_bench.job.training`). What a rate is halved for is patience epochs without gain."""

    batch_size: Count
    initialisation_images: Count
    learning_rate: Annotated[float, Field(gt=0)]
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)]
    """Multiplies the rate after every step."""
    adam_betas: tuple[float, float]
    gradient_clip: Annotated[float, Field(gt=0)]
    """The largest norm of the gradient of all weights together."""
    polyak_decay: Annotated[float, Field(ge=0, lt=1)]
    """The decay of the average of the weights that every evaluation uses."""
    patience: Count
    halvings: Annotated[int, Field(ge=0)]
    """The last one ends the training instead: 3 halves the rate twice. 0: the rate is halved without end."""
    max_epochs: Count


class Protocol(Settings):
    """Everything a preset fixes, fully resolved."""

    training: TrainingSettings
    density: DensitySettings
    posterior: PosteriorSettings
    probes: ProbeSettings
    subset: SplitSizes | None = None
    """The sizes of fixed subsets of the splits that the preset trains and is scored on, drawn by the task's seed; None
    for all images. Whatever counts images at the preset counts those."""


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
    content = read_toml(path, "task")
    sections = {name: content.pop(name, {}) for name in Protocol.model_fields}
    presets = content.get("presets", {})
    unknown = [f"presets.{preset}.{key}" for preset, own in presets.items() for key in own if key not in sections]
    if unknown:
        raise UsageError(f"task file {path.name}: {unknown[0]} is not a section of a protocol; remove it.")
    content["presets"] = {
        preset: {name: merged for name, shared in sections.items() if (merged := {**shared, **own.get(name, {})})}
        for preset, own in presets.items()
    }
    return validated(Task, content, path, "task")
