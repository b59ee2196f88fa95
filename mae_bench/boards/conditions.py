"""The conditions under which runs were measured: which of them may be ranked together, and which averaged."""

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
    "matrix_precision": "precision of training steps",
    "protocol": "protocol",
    "data": "data",
    "validation_bits": "validation bits",
    "test_bits": "test bits",
}
"""What rows must share to be ranked together: columns of the frame of runs, and the words for them."""
ANY = "any"
"""In a column of conditions: equal to whatever the ranked rows have. What is fitted without the default loop has no
precision of training steps."""
ROW = ["label", "adapter_source", "trained", *CONDITIONS]
"""What the runs of one row of a board share: columns of the frame of runs."""


def conditions_of(record: Record) -> dict[str, Any]:
    """What `record` was measured under: `CONDITIONS`, and the protocol of training elsewhere, "" if there was none."""
    trained, hashes = record.trained, record.hashes
    return {
        "trained": f"{trained.place} {sha256_of(trained.protocol)}" if trained else "",
        "engine_version": record.engine_version,
        "precision": record.precision,
        "matrix_precision": record.training.matrix_precision if record.training.steps else ANY,
        "protocol": hashes.protocol,
        "data": hashes.data,
        "validation_bits": hashes.validation_bits or "none",
        "test_bits": hashes.test_bits or "none",
    }


def frame_of_runs(records: Sequence[Record]) -> pd.DataFrame:
    """One line per run, sorted by label and seed, without duplicates; the order of `records` makes no difference."""
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
    """The conditions of the ranked rows: complete runs come first, then the declared protocol, then a newer engine,
    then the precision of training that the protocol names.
    """
    by_claim = runs.assign(
        declared=runs["protocol"] == declared,
        by_steps=runs["matrix_precision"] != ANY,
        as_named=runs["matrix_precision"] == runs["record"].map(_named_precision),
    ).sort_values(["complete", "declared", "engine_version", "by_steps", "as_named", "created", "record_hash"])
    return by_claim.iloc[-1][list(CONDITIONS)]


def _named_precision(record: Record) -> str:
    """The precision of training steps that the protocol in the record names, whatever else is in there."""
    training = record.protocol.get("training")
    return str(training.get("matrix_precision", "float32")) if isinstance(training, dict) else ""


def comparable_with(runs: pd.DataFrame, reference: pd.Series[Any]) -> pd.Series[bool]:
    """Which of `runs` were measured under the conditions of `reference`."""
    conditions = runs[list(CONDITIONS)]
    return ((conditions == reference) | (conditions == ANY)).all(axis=1)


def describe_difference(run: pd.Series[Any], reference: pd.Series[Any]) -> str:
    """In words, how the conditions of `run` differ from those of the ranked rows."""
    parts = [
        f"{words} {shortened(run[column])} (ranked rows: {shortened(reference[column])})"
        for column, words in CONDITIONS.items()
        if run[column] not in {reference[column], ANY}
    ]
    return "measured with " + ", ".join(parts)


def shortened(value: Any) -> str:
    """The first eight digits of a hash; a short number or word unchanged."""
    return str(value)[:8]
