"""How a job is run. The options of `run` are made from the fields here, and one object carries them to the training."""

from dataclasses import dataclass, field
from typing import Any, Literal


def _setting(default: Any, explanation: str, *, above_zero: bool = False) -> Any:
    """A field with what `--help` says of its option, and whether 0 itself is too small a number."""
    return field(default=default, metadata={"help": explanation, "above_zero": above_zero})


@dataclass(frozen=True)
class JobSettings:
    """What may differ between two runs of one job: its numbers do not depend on it, except for rounding."""

    max_minutes: float | None = _setting(
        None,
        "Training time a job, counted anew by each run; what is trained by then is scored and its record marked "
        "partial. No limit for a model with a training loop of its own.",
        above_zero=True,
    )
    checkpoint_minutes: float = _setting(1.0, "Time between two checkpoints within an epoch.")
    matrix_precision: Literal["preset", "float32", "bfloat16"] = _setting(
        "preset",
        "What training steps compute matrix products and convolutions in; bfloat16 needs a processor or GPU that has "
        "instructions for it. preset: as the preset says, and float32 where they are lacking.",
    )
    compile: bool = _setting(
        False,
        "Compile the training steps by torch.compile: faster steps, rounded differently, after minutes of compiling. "
        "Needs a C++ compiler.",
    )
