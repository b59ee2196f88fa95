"""The record: all results of one job, and all that is needed to run it again. Does not import torch."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mae_bench.foundation.canonical import sha256_of
from mae_bench.metrics.catalogue import NLL_FALL, MetricName, metric_kind
from mae_bench.planning.names import MODEL_NAME, model_label, run_title
from mae_bench.planning.task import MatrixPrecision, Name

SCHEMA_VERSION = 1
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
LONGEST_DESCRIPTION = 200
"""Characters of one text about the machine; processors and devices have names of less than a hundred."""


class Section(BaseModel):
    """A part of a record: unknown keys are errors, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelSection(Section):
    """The model: its bare name and every parameter, defaults resolved. The name is also a folder name in the store."""

    name: Annotated[str, Field(pattern=f"^{MODEL_NAME}$")]
    params: dict[str, Any]

    @property
    def label(self) -> str:
        """The model as written on the command line and on boards, like `ModelReference.label`."""
        return model_label(self.name, self.params)


class TaskSection(Section):
    """The task and its version."""

    name: Name
    version: int


class Metric(Section):
    """One measured value. `value` is null if it was not finite; `reason` then says why."""

    value: Finite | None
    stderr: Finite | None
    n: int
    unit: str
    direction: Literal["lower", "higher", "none"]
    draws: tuple[Finite, ...] = ()
    reason: str | None = None


class EpochRow(Section):
    """One epoch of the training curve: losses in nats per image, means over the epoch or the validation set.

    learning_rate: None if a model's own `fit` does not report it.
    """

    epoch: int
    step: int
    learning_rate: Finite | None
    train: dict[str, Finite | None]
    validation_negative_elbo: Finite | None
    validation_loss: Finite | None = None
    """The model's own loss on the validation images, in its own unit: of a model without a density, or as its own `fit`
    reports it."""


class TrainingSection(Section):
    """How training went. `partial` if it was cut short: such a record is shown but never ranked."""

    status: Literal["complete", "partial"]
    reason: str
    epochs: int
    steps: int
    best_epoch: int | None
    """The epoch whose weights were scored, that of the lowest validation -ELBO. None if the weights are those of the
    moment at which training was cut short, which `reason` then says, or of a model's own `fit`."""
    parameters: int
    compiled: bool = False
    """Whether its steps were compiled by torch.compile."""
    matrix_precision: MatrixPrecision = "float32"
    """What its steps computed matrix products and convolutions in."""
    machine: str | None = None
    """Device and torch of the training, if `environment`, which is that of the evaluation, has others."""
    curve: tuple[EpochRow, ...] = ()
    own_settings: dict[str, Any] | None = None
    """The settings of the default loop that the model's `fit` replaced, by name, and what it replaced them with. None
    if the loop does not describe its training, and in older records."""
    train_images: int | None = None
    validation_images: int | None = None
    """How many images `fit` passed to the default loop, if not as many as the task has."""


class TrainedSection(Section):
    """The job that trained the model, if its protocol is not the one under which the model was scored here.

    The model and the seed are those of the record.
    """

    key: Hash
    task: TaskSection
    preset: Name
    protocol: dict[str, Any]
    """The whole protocol, since the network is built from it."""

    @property
    def place(self) -> str:
        """Task and preset, as boards name them: "mnist small"."""
        return f"{self.task.name} {self.preset}"


class Hashes(Section):
    """SHA-256 of what the numbers depend on."""

    protocol: Hash
    data: Hash
    validation_bits: Hash | None
    test_bits: Hash | None
    adapter_source: Hash


class Clocks(Section):
    """Seconds of wall time, summed over all sessions of the job."""

    training_seconds: Finite
    evaluation_seconds: Finite


class Environment(Section):
    """The machine and the software, without path, user or host name: texts of up to `LONGEST_DESCRIPTION` characters,
    all printable."""

    python: str
    torch: str
    mae_bench: str
    platform: str
    processor: str
    device: str
    threads: int
    git_commit: str | None
    git_dirty: bool | None
    numpy: str | None = None
    scikit_learn: str | None = None
    """Like numpy, None in older records."""


class Record(Section):
    """One job's record. `record_hash` is the SHA-256 of the canonical JSON of the rest."""

    schema_version: Literal[1] = 1
    key: Hash
    model: ModelSection
    task: TaskSection
    preset: Name
    seed: int
    precision: str
    engine_version: int
    protocol: dict[str, Any]
    metrics: dict[MetricName, Metric]
    not_supported: dict[MetricName, str]
    nll_by_samples: dict[int, Finite]
    training: TrainingSection
    clocks: Clocks
    peak_memory_mib: dict[str, Finite]
    hashes: Hashes
    environment: Environment
    created: str
    """The time in UTC, ISO 8601."""
    record_hash: Hash
    trained: TrainedSection | None = None
    nll_fall_stderr: Finite | None = None
    """The standard error over the test images of what the last factor of four in importance samples takes off the NLL;
    `nll_by_samples` has the value itself. None in older records too."""
    broken_laws: tuple[str, ...] = ()
    """What the run itself found wrong with the model's answers (`mae_bench.metrics.laws`), a clause each."""

    @property
    def title(self) -> str:
        """One line that names the run for people, like `Job.title`."""
        place = self.trained.place if self.trained else None
        return run_title(self.task.name, self.preset, self.model.label, self.seed, place)

    @property
    def all_metrics(self) -> dict[MetricName, Metric]:
        """`metrics`, and those that follow from the rest of the record: what boards show."""
        return with_derived(self.metrics, self.nll_by_samples, self.nll_fall_stderr)

    def content(self) -> dict[str, Any]:
        """The record as its file holds it. A field that the file lacks stays absent, so that a field which a
        later mae-bench adds with a default does not change the hash of an older record.
        """
        return self.model_dump(mode="json", exclude_unset=True)

    def content_hash(self) -> str:
        """The value that `record_hash` must have: the hash of everything else that the file holds."""
        return content_hash(self, "record_hash")


def with_derived(
    measured: dict[MetricName, Metric], nll_by_samples: dict[int, float], nll_fall_stderr: float | None
) -> dict[MetricName, Metric]:
    """`measured`, and the metrics that follow from the other two parts of a record."""
    levels, nll, kind = sorted(nll_by_samples), measured.get("nll"), metric_kind(NLL_FALL)
    if nll is None or len(levels) == 1:
        return measured
    value = nll_by_samples[levels[-2]] - nll_by_samples[levels[-1]] if levels else None
    fall = Metric(
        value=value,
        stderr=nll_fall_stderr,
        n=nll.n,
        unit=kind.unit,
        direction=kind.direction,
        reason=nll.reason,
    )
    return {**measured, NLL_FALL: fall}


def content_hash(section: Section, seal: str) -> str:
    """The value that the field `seal` must have: SHA-256 of the canonical JSON of the rest of the file of `section`."""
    content = section.model_dump(mode="json", exclude_unset=True)
    content.pop(seal, None)
    return sha256_of(content)


def seal(content: dict[str, Any]) -> Record:
    """The record with this content, which is everything but its hash."""
    with_defaults = Record.model_validate({**content, "record_hash": "0" * 64}).model_dump()
    unsealed = Record.model_validate(with_defaults)
    return unsealed.model_copy(update={"record_hash": unsealed.content_hash()})
