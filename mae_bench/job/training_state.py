"""How far a training is, how it ended, and how that is saved in a checkpoint and restored."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mae_bench.foundation.seeding import host_generators, restore_host_generators
from mae_bench.job.checkpoint import save_checkpoint, under_prefix, with_prefix
from mae_bench.planning.task import MatrixPrecision

_HOST = "host_generators"
"""Beside the fields of `TrainingState` in the checkpoint: the states of numpy's and Python's generators."""


@dataclass
class TrainingState:
    """How far a training is, except for its tensors; kept in the checkpoint as JSON."""

    learning_rate: float
    epoch: int = 0
    """Epochs completed."""
    batch: int = 0
    """Batches done in the present epoch."""
    step: int = 0
    halvings: int = 0
    epochs_without_gain: int = 0
    best_epoch: int | None = None
    best_validation: float | None = None
    first_loss: float | None = None
    sums: dict[str, float] = field(default_factory=dict)
    """The sum of each term over the batches so far of the present epoch."""
    curve: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    threads: int = 1
    compiled: bool = False
    """Whether torch.compile compiled the steps."""
    matrix_precision: MatrixPrecision = "float32"
    """What the steps compute matrix products and convolutions in."""


@dataclass(frozen=True)
class TrainingOutcome:
    """How a training ended. status: "complete", or "partial" if its time ran out; reason: in words.

    best_epoch: the one whose weights were left in the model; None if they are of no epoch.
    """

    status: str
    reason: str
    epochs: int
    steps: int
    best_epoch: int | None
    curve: list[dict[str, Any]]
    seconds: float
    threads: int
    compiled: bool = False
    matrix_precision: MatrixPrecision = "float32"
    own_settings: dict[str, Any] | None = None
    """The settings of the task that `fit` replaced, with their new values; None without the default loop."""
    train_images: int | None = None
    validation_images: int | None = None
    """How many images `fit` passed to the default loop, if not as many as the task has."""
    machine: str | None = None
    """`mae_bench.job.environment.describe_machine` where it ended; None in a checkpoint of an earlier mae-bench."""


class TrainingParts(NamedTuple):
    """What training changes: model, Polyak average, optimiser and the generator of the training bits."""

    adapter: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    generator: torch.Generator


def save_training(path: Path, state: TrainingState, parts: TrainingParts, best: dict[str, Tensor]) -> None:
    """Write `state`, `parts`, the weights of the best average and all random states to `path`."""
    moments = {
        f"{index}/{name}": value
        for index, entries in parts.optimiser.state_dict()["state"].items()
        for name, value in entries.items()
    }
    random = {"cpu": torch.get_rng_state(), "bits": parts.generator.get_state()}
    if parts.generator.device.type == "cuda":
        random["cuda"] = torch.cuda.get_rng_state(parts.generator.device)
    tensors = {
        **with_prefix("weights", parts.adapter.state_dict()),
        **with_prefix("average", parts.average.state_dict()),
        **with_prefix("best", best),
        **with_prefix("optimiser", moments),
        **with_prefix("random", random),
    }
    save_checkpoint(path, tensors, {**asdict(state), _HOST: host_generators()})


def restore_training(
    tensors: dict[str, Tensor], state: dict[str, Any], parts: TrainingParts
) -> tuple[TrainingState, dict[str, Tensor]]:
    """Put what `save_training` wrote back into `parts` and the random states; gives state and best weights.

    The number of threads is set to the one that the training began with: it decides the last bits of sums.
    """
    if _HOST in state:  # a checkpoint of an earlier mae-bench has none
        restore_host_generators(state[_HOST])
    restored = TrainingState(**{name: value for name, value in state.items() if name != _HOST})
    torch.set_num_threads(restored.threads)
    parts.adapter.load_state_dict(under_prefix("weights", tensors))
    parts.average.load_state_dict(under_prefix("average", tensors))
    moments: dict[int, dict[str, Tensor]] = {}
    for path, value in under_prefix("optimiser", tensors).items():
        index, name = path.split("/")
        moments.setdefault(int(index), {})[name] = value
    parts.optimiser.load_state_dict({**parts.optimiser.state_dict(), "state": moments})
    random = under_prefix("random", tensors)
    torch.set_rng_state(random["cpu"].cpu())
    parts.generator.set_state(random["bits"].cpu())
    if "cuda" in random:
        torch.cuda.set_rng_state(random["cuda"].cpu(), parts.generator.device)
    return restored, under_prefix("best", tensors)
