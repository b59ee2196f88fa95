"""Records as runs under conditions: which of them may stand in one ranking, and which may be averaged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mae_bench.foundation.canonical import sha256_of
from mae_bench.records.schema import Record

if TYPE_CHECKING:
    import pandas as pd

CONDITIONS = {
    "engine_version": "engine version",
    "precision": "precision",
    "protocol": "protocol",
    "data": "data",
    "validation_bits": "validation bits",
    "test_bits": "test bits",
}
"""What two rows must share to be ranked together, with the words for it; columns of the frame of runs."""
ROW = ["label", "adapter_source", "trained", *CONDITIONS]
"""What the runs of one row of a board share; columns of the frame of runs."""


def conditions_of(record: Record) -> dict[str, Any]:
    """What `record` was measured under: `CONDITIONS`, and which protocol trained its model, "" if the one that scored it.
    """
    trained, hashes = record.trained, record.hashes
    return {
        "trained": f"{trained.place} {sha256_of(trained.protocol)}" if trained else "",
        "engine_version": record.engine_version,
        "precision": record.precision,
        "protocol": hashes.protocol,
        "data": hashes.data,
        "validation_bits": hashes.validation_bits or "none",
        "test_bits": hashes.test_bits or "none",
    }


def frame_of_runs(records: Sequence[Record]) -> pd.DataFrame:
    """One line a run, duplicates removed, by label and seed: the order of `records` leaves no trace."""
    import pandas as pd

    frame = pd.DataFrame(
        {
            "task": record.task.name,
            "version": record.task.version,
            "preset": record.preset,
            "label": record.model.label,
            "adapter_source": record.hashes.adapter_source,
            **conditions_of(record),
            "seed": record.seed,
            "complete": record.training.status == "complete",
            "created": record.created,
            "record_hash": record.record_hash,
            "record": record,
        }
        for record in records
    )
    run = ["task", "version", "preset", *ROW, "seed"]
    newest_last = frame.sort_values(["complete", "created", "record_hash"])
    return newest_last.drop_duplicates(run, keep="last").sort_values(run)


def reference_conditions(runs: pd.DataFrame, declared: str | None) -> pd.Series[Any]:
    """The conditions that rank: of the complete runs those of the declared protocol, of these the newest engine's."""
    by_claim = runs.assign(declared=runs["protocol"] == declared).sort_values(
        ["complete", "declared", "engine_version", "created", "record_hash"]
    )
    return by_claim.iloc[-1][list(CONDITIONS)]


def describe_difference(run: pd.Series[Any], reference: pd.Series[Any]) -> str:
    """In words, where the conditions of `run` differ from those of the ranked rows."""
    parts = [
        f"{words} {shortened(run[column])} where the ranked rows have {shortened(reference[column])}"
        for column, words in CONDITIONS.items()
        if run[column] != reference[column]
    ]
    return "measured with " + ", ".join(parts)


def shortened(value: Any) -> str:
    """A hash by its first eight digits; a number or a word as it is."""
    return str(value)[:8]
