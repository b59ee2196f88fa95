"""How a job is run. The options of `run` are made from the fields here, and one object carries them to the training."""

from dataclasses import Field, dataclass, field, fields
from typing import Any, Literal, get_args


def _setting(default: Any, explanation: str, *, above_zero: bool = False) -> Any:
    """A field with what `--help` says of its option, and whether 0 itself is too small a number."""
    return field(default=default, metadata={"help": explanation, "above_zero": above_zero})


@dataclass(frozen=True)
class JobSettings:
    """What may differ between two runs of one job: its numbers do not depend on it, except for rounding."""

    max_minutes: float | None = _setting(
        None,
        "Training time a job, counted anew by each run; what is trained by then is scored and its record marked "
        "partial. A training loop of a model's own must draw its batches from the harness to be limited.",
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
    cuda_graph: bool = _setting(
        False,
        "Record a training step on a GPU as a CUDA graph and replay it: several times as fast for small networks, and "
        "the same numbers. For a model that does the same at each step.",
    )


def job_settings(**given: Any) -> JobSettings:
    """The settings with these values and the defaults of the others. UsageError for a wrong name or value."""
    from mae_bench.foundation.errors import UsageError
    from mae_bench.planning.names import did_you_mean

    known = {one.name: one for one in fields(JobSettings)}
    for name, value in given.items():
        if name not in known:
            raise UsageError(f"there is no setting {name!r}{did_you_mean(name, known, 'settings')}")
        if fault := _fault(known[name], value):
            raise UsageError(f"{name} is {value!r}, but it should be {fault}; give that, or leave it out.")
    return JobSettings(**given)


def _fault(one: Field[Any], value: object) -> str | None:
    """What the value of the field `one` should be; None if `value` is that."""
    if words := [word for word in get_args(one.type) if isinstance(word, str)]:
        return None if value in words else f"one of {', '.join(words)}"
    if isinstance(one.default, bool):
        return None if isinstance(value, bool) else "True or False"
    if value is None and one.default is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    above_zero = one.metadata["above_zero"]
    in_range = number and (value > 0 if above_zero else value >= 0)  # type: ignore[operator]
    return None if in_range else f"a number {'above zero' if above_zero else 'of at least zero'}"
