"""Records and boards as pandas frames, for whatever reads numbers: values as in records, accuracies in [0, 1]."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mae_bench.boards.aggregate import Board, Row
from mae_bench.foundation.text import printable
from mae_bench.metrics.catalogue import board_order, metric_kind
from mae_bench.records.schema import Metric, Record
from mae_bench.report.layout import row_label
from mae_bench.review.badges import NO_BADGES, Badges

if TYPE_CHECKING:
    import pandas as pd

RECORD_COLUMNS = ("model", "name", "task", "preset", "seed", "status", "metric")
METRIC_COLUMNS = ("value", "stderr", "n", "unit", "direction", "reason")
BOARD_COLUMNS = ("task", "version", "preset", "model", "standing", "verified", "seeds", "metric")
CELL_COLUMNS = ("mean", "std", "stderr", "unit", "direction", "bold")


def metrics_frame(metrics: Mapping[str, Metric], not_supported: Mapping[str, str]) -> pd.DataFrame:
    """One row a metric, by which it is indexed, in the order of boards: `METRIC_COLUMNS`.

    value, stderr: NaN if there is none; reason then says why.
    """
    import pandas as pd

    names = sorted({*metrics, *not_supported}, key=board_order)
    rows = [_metric_row(name, metrics, not_supported) for name in names]
    return pd.DataFrame(rows, columns=list(METRIC_COLUMNS), index=pd.Index(names, name="metric"))


def records_frame(records: Iterable[Record]) -> pd.DataFrame:
    """One row a (model, task, seed, metric): `RECORD_COLUMNS`, then `METRIC_COLUMNS` as in `metrics_frame`.

    model: the label, as on boards; name: without parameters. status: "complete" or "partial".
    """
    import pandas as pd

    frames = [
        metrics_frame(record.all_metrics, record.not_supported)
        .reset_index()
        .assign(
            model=record.model.label,
            name=record.model.name,
            task=record.task.name,
            preset=record.preset,
            seed=record.seed,
            status=record.training.status,
        )
        for record in records
    ]
    columns = [*RECORD_COLUMNS, *METRIC_COLUMNS]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


def boards_frame(boards: Iterable[Board], badges: Badges = NO_BADGES) -> pd.DataFrame:
    """One row a (board, row of the board, metric), in the order of the boards: `BOARD_COLUMNS`, then `CELL_COLUMNS`.

    standing: as `mae_bench.boards.aggregate.Row` has it, or "reported". mean, std: over the seeds; of a reported row,
    what was reported. stderr: over the test images. bold: not separable from the best.
    """
    import pandas as pd

    rows = []
    for board in boards:
        place = {"task": board.task, "version": board.version, "preset": board.preset}
        for row in (*board.rows, *board.unranked):
            about = {
                **place,
                "model": row_label(row),
                "standing": row.standing,
                "verified": badges.of(row) == "verified",
                "seeds": len(row.seeds),
            }
            rows += [{**about, "metric": metric, **_cell(row, metric)} for metric in board.metrics]
        for reported in board.reported:
            about = {**place, "model": printable(reported.model), "standing": "reported", "verified": False}
            rows += [
                {**about, "metric": metric, "mean": value, "std": reported.spreads.get(metric), **_unit(metric)}
                for metric, value in sorted(reported.metrics.items(), key=lambda item: board_order(item[0]))
            ]
    frame = pd.DataFrame(rows, columns=[*BOARD_COLUMNS, *CELL_COLUMNS])
    return frame.astype({"seeds": "Int64", **dict.fromkeys(("mean", "std", "stderr"), float)}).assign(
        bold=frame["bold"].eq(True)
    )


def _metric_row(name: str, metrics: Mapping[str, Metric], not_supported: Mapping[str, str]) -> dict[str, Any]:
    if measured := metrics.get(name):
        return {column: getattr(measured, column) for column in METRIC_COLUMNS}
    return {"n": 0, **_unit(name), "reason": not_supported[name]}


def _cell(row: Row, metric: str) -> dict[str, Any]:
    cell = row.cells[metric]
    return {"mean": cell.mean, "std": cell.std, "stderr": cell.stderr, **_unit(metric), "bold": cell.bold}


def _unit(metric: str) -> dict[str, Any]:
    kind = metric_kind(metric)
    return {"unit": kind.unit, "direction": kind.direction}
