"""The stored ratios of speed, and whether a newly measured one has fallen. Imports torch only to describe a machine."""

import json
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field, computed_field

STORED = Path(__file__).parent / "ratios.json"
LEAST_MARGIN = 0.1
"""How far a ratio may always fall below the stored one, as a share of it."""
SPREADS = 1.5
"""So many times the spread it may fall where that is more: a few runs do not spread as far as many."""
MARGIN_ELSEWHERE = 0.5
"""The same on any other machine, which has other ratios."""


class Machine(NamedTuple):
    """What a ratio depends on beside the code. device: "cpu" or the GPU's name."""

    processor: str
    device: str
    threads: int
    torch: str


class StoredRatio(BaseModel):
    """One ratio by one run of the benchmarks after another, each a process of its own, all on one machine."""

    model_config = ConfigDict(frozen=True)

    runs: tuple[float, ...] = Field(min_length=1)
    machine: Machine
    measured: date
    """When the last run was."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ratio(self) -> float:
        """The median of the runs."""
        return round(median(self.runs), 2)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def spread(self) -> float:
        """From the least of the runs to the greatest, as a share of the ratio."""
        return round((max(self.runs) - min(self.runs)) / self.ratio, 3)

    def margin(self, machine: Machine) -> float:
        """How far below the ratio one that is measured on `machine` may lie, as a share of it."""
        return max(LEAST_MARGIN, SPREADS * self.spread) if machine == self.machine else MARGIN_ELSEWHERE


def this_machine(device: str) -> Machine:
    """The machine that runs this. device: as torch calls it."""
    import torch

    from mae_bench.job.environment import describe_environment

    here = describe_environment(torch.device(device))
    return Machine(here.processor, here.device, here.threads, here.torch)


def read_ratios(path: Path) -> dict[str, StoredRatio]:
    """By name; none where there is no file."""
    if not path.exists():
        return {}
    return {name: StoredRatio.model_validate(stored) for name, stored in json.loads(path.read_text()).items()}


def fall(name: str, ratio: float, stored: StoredRatio, machine: Machine) -> str | None:
    """A sentence where `ratio`, measured on `machine`, lies further below the stored one than the margin; else None."""
    margin = stored.margin(machine)
    least = (1 - margin) * stored.ratio
    if ratio >= least:
        return None
    return f"ratio {name} fell from {stored.ratio:.2f} to {ratio:.2f}, below {least:.2f} (margin {100 * margin:.0f} %)"


def store_run(path: Path, measured: dict[str, float], machine: Machine, *, anew: bool) -> None:
    """Add one run to the stored ratios; anew, or on another machine than theirs, the new run is the only one."""
    ratios = read_ratios(path)
    for name, ratio in measured.items():
        before = ratios.get(name)
        runs = () if anew or before is None or before.machine != machine else before.runs
        today = datetime.now(UTC).date()
        ratios[name] = StoredRatio(runs=(*runs, round(ratio, 2)), machine=machine, measured=today)
    text = {
        name: {**stored.model_dump(mode="json"), "machine": stored.machine._asdict()}
        for name, stored in sorted(ratios.items())
    }
    path.write_text(json.dumps(text, indent=2) + "\n")
