"""The training curve of a job that runs: a file in its working directory until the record is saved, which has it.

Trackers read it, whichever machine the job is on. Does not import torch.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.errors import RecordError
from mae_bench.foundation.untrusted import load_untrusted
from mae_bench.records.schema import EpochRow

CURVE_FILE = "curve.json"
_ROWS = TypeAdapter(tuple[EpochRow, ...])


def write_curve(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the epochs so far, each as in a record. OSError if that cannot be done."""
    write_atomically(path, json.dumps(list(rows)).encode())


def read_curve(path: Path) -> tuple[EpochRow, ...]:
    """The epochs in the file, which is untrusted; none if there is no file or it cannot be read."""
    try:
        return _ROWS.validate_python(load_untrusted(path, "training curve"))
    except (RecordError, ValidationError):
        return ()
