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
"""The name of a task or a preset; it is also a folder name in the store."""
FileHash = Annotated[str, Field(pattern=r"^([0-9a-f]{64}|md5:[0-9a-f]{32})$")]
Tolerance = Annotated[float, Field(gt=0)]
MatrixPrecision = Literal["float32", "bfloat16"]
PRESETS = ("smoke", "small", "medium", "paper")
DEFAULT_PRESET = "small"


class SplitSizes(Settings):
    """How many images the three splits have."""

    train: Count
    validation: Count
    test: Count


class DataSettings(Settings):
    """What the images are and how they are split."""

    source: str
    """A loader of `mae_bench.data` ("digits", "mnist"), the path of a file or folder of images from the folder of the
    task file, begun with "./" or "../", or `package.module:function`, of a package that is installed or beside it."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """The hash of all loaded arrays (`mae_bench.data.arrays.hash_arrays`)."""
    git_blob: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    """Instead of `sha256`, if only this is published: the git blob id of the one file that the source reads."""
    files: dict[str, FileHash] | None = None
    """Instead of `sha256`, if only these are published: every file that the source reads, and its SHA-256 or MD5."""
    shape: tuple[Count, Count, Count]
    likelihood: Literal["bernoulli", "discretized_logistic_mixture"]
    levels: Count
    """The largest level of a pixel; a bit is 1 with probability pixel / levels."""
    classes: Annotated[int, Field(ge=0)]
    """0: the images have no labels, and the probes are absent."""
    train_size: Count
    validation_size: Count
    """The source's own validation images if it has any, else drawn from its training images by the task's seed."""
    test_size: Count
    """The source's own test images if it has any, else drawn by the task's seed."""

    @model_validator(mode="after")
    def _there_is_one_hash(self) -> Self:
        if sum(one is not None for one in (self.sha256, self.git_blob, self.files)) != 1:
            raise ValueError("give either sha256 or git_blob or files")
        return self

    def sizes(self, subset: SplitSizes | None = None) -> SplitSizes:
        """The sizes of the splits, or those of `subset` if it is given."""
        return subset or SplitSizes(train=self.train_size, validation=self.validation_size, test=self.test_size)


class TrainingSettings(Settings):
    """The default loop (`mae_bench.job.training`). The rate is halved after `patience` epochs without improvement."""

    batch_size: Count
    initialisation_images: Count
    learning_rate: Annotated[float, Field(gt=0)]
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)]
    """Multiplies the rate after every step."""
    adam_betas: tuple[float, float]
    gradient_clip: Annotated[float, Field(gt=0)]
    """The largest norm allowed for the gradient of all weights together."""
    polyak_decay: Annotated[float, Field(ge=0, lt=1)]
    """The decay of the average of the weights that every evaluation uses."""
    patience: Count
    halvings: Annotated[int, Field(ge=0)]
    """The halving with this number ends training instead: 3 halves the rate twice. 0: no halving ends training."""
    max_epochs: Count
    matrix_precision: Literal["bfloat16"] | None = None
    """What matrix products and convolutions of training steps are computed in (`mae_bench.job.precision`); None, which
    no protocol's hash depends on: float32."""


class Protocol(Settings):
    """Everything a preset fixes, fully resolved."""

    training: TrainingSettings
    density: DensitySettings
    posterior: PosteriorSettings
    probes: ProbeSettings
    subset: SplitSizes | None = None
    """The sizes of the fixed subsets of the splits, drawn by the task's seed, that the preset trains and is scored on;
    None for all images. Every other count of images at the preset refers to these subsets."""


class ReportedRow(Settings):
    """A row that somebody else published: shown below the measured rows, never ranked with them."""

    model: str
    citation: str
    metrics: dict[MetricName, float]
    spreads: dict[MetricName, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """The standard deviations that were published with the metrics."""


class BestPublished(Settings):
    """The best value of a metric that was published; a record that beats it by more than the margin is doubted."""

    best: float
    margin: Annotated[float, Field(ge=0)]
    citation: str


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
    plausible: dict[MetricName, BestPublished] = Field(default_factory=dict)
    """Beyond what value a record is not ranked before a reviewer has rerun it. Not part of the protocol."""
    tolerances: dict[Name, dict[MetricName, Tolerance]] = Field(default_factory=dict)
    """By preset: the largest change of a mean over seeds that `mae-bench compare` ignores. Not part of the protocol,
    since no number depends on it."""
    folder: Path | None = None
    """Where a source beside the task file is: the file's own folder; None for built-in sources. Not in the file, and
    not part of the protocol."""

    @model_validator(mode="after")
    def _tolerances_are_of_presets(self) -> Self:
        if unknown := set(self.tolerances) - set(self.presets):
            raise ValueError(f"tolerances.{min(unknown)} names no preset")
        return self

    def protocol(self, preset: str) -> Protocol:
        """The protocol of `preset`; UsageError names the known presets, or what it asks for beyond the task's images.

        Only the preset that is asked for is held against the images.
        """
        if preset not in self.presets:
            raise UsageError(f"task {self.name} has no preset {preset!r}; choose one of {', '.join(self.presets)}.")
        if found := self.preset_faults(preset):
            raise UsageError(
                f"preset {preset} of task {self.name} asks for more images than there are ({'; '.join(found)}); "
                "lower these numbers in the task file, or choose another preset."
            )
        return self.presets[preset]

    def preset_faults(self, preset: str) -> list[str]:
        """What `preset` asks for beyond the images that the task has, a clause each."""
        protocol, whole = self.presets[preset], self.data.sizes()
        sizes = self.data.sizes(protocol.subset)
        found = [
            f"presets.{preset}.subset.{split} is {size}, but there are {available}"
            for (split, size), (_, available) in zip(sizes, whole, strict=True)
            if size > available
        ]
        for section in ("density", "posterior"):
            wanted = getattr(protocol, section).test_images
            if wanted != "all" and wanted > sizes.test:
                found.append(f"presets.{preset}.{section}.test_images is {wanted}, but there are {sizes.test}")
        images, clusters = protocol.probes.kmeans_images, max(protocol.probes.kmeans_clusters, default=1)
        if (sizes.train if images == "all" else images) < clusters:
            found.append(f"presets.{preset}.probes.kmeans_images must be at least {clusters}, one per cluster")
        return found

    def resolved(self, preset: str) -> dict[str, Any]:
        """The protocol of `preset` with its data settings, as JSON: `protocol_hash` is computed from this."""
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


def is_path(source: str) -> bool:
    """Whether a `data.source` is the path of a file or folder of images."""
    return source.startswith(("./", "../", "/"))


def load_task(path: Path) -> Task:
    """Read and validate a task file.

    In the file, `[training]`, `[density]`, `[posterior]` and `[probes]` hold what all presets share; a preset's own
    tables (`[presets.small.training]`) override single keys. `[presets.small.subset]` has no shared counterpart.
    UsageError names the file and every fault.
    """
    content = read_toml(path, "task")
    sections = {name: content.pop(name, {}) for name in Protocol.model_fields}
    presets = content.get("presets", {})
    if odd := _no_tables({**sections, "presets": presets}):
        raise UsageError(f"task file {path.name} has values where tables belong ({', '.join(odd)}); correct the file.")
    unknown = [f"presets.{preset}.{key}" for preset, own in presets.items() for key in own if key not in sections]
    if unknown:
        raise UsageError(
            f"task file {path.name} has sections that no protocol has ({', '.join(unknown)}); remove them."
        )
    if "folder" in content:
        raise UsageError(f"task file {path.name} has the key folder, which is always its own folder; remove it.")
    content["presets"] = {
        preset: {name: merged for name, shared in sections.items() if (merged := {**shared, **own.get(name, {})})}
        for preset, own in presets.items()
    }
    task = validated(Task, content, path, "task")
    beside = is_path(task.data.source) or ":" in task.data.source
    return task.model_copy(update={"folder": path.resolve().parent}) if beside else task


def _no_tables(sections: dict[str, Any]) -> list[str]:
    """The sections and the presets that are no tables, nor are what presets hold."""
    within = sections["presets"] if isinstance(sections["presets"], dict) else {}
    named = {f"presets.{name}": preset for name, preset in within.items()}
    of_presets = {
        f"{name}.{key}": section for name, own in named.items() if isinstance(own, dict) for key, section in own.items()
    }
    return [name for name, value in {**sections, **named, **of_presets}.items() if not isinstance(value, dict)]
