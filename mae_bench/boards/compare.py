"""Compares records from before and after a change: what got better, what got worse. Does not import torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from mae_bench.boards.conditions import CONDITIONS, conditions_of
from mae_bench.boards.significance import ALPHA, welch
from mae_bench.boards.spread import Sample, sample_of
from mae_bench.foundation.errors import RecordError
from mae_bench.metrics.catalogue import Direction, board_order, metric_kind
from mae_bench.planning.task import Task
from mae_bench.records.schema import Record
from mae_bench.records.store import Store, read_record

Verdict = Literal["better", "worse", "same", "not comparable"]


@dataclass(frozen=True)
class Comparison:
    """One metric of one model on both sides.

    metric: None if nothing about the model can be compared. base, head: mean, standard deviation and number of seeds.
    p_value: that of Welch's test; None if it was not made. note: why the two are not comparable, or a remark.
    """

    task: str
    version: int
    preset: str
    model: str
    metric: str | None
    verdict: Verdict
    base: Sample | None = None
    head: Sample | None = None
    tolerance: float | None = None
    p_value: float | None = None
    note: str | None = None

    @property
    def change(self) -> float | None:
        """The mean of head minus that of base, in the metric's unit."""
        if self.base is None or self.head is None or self.base[0] is None or self.head[0] is None:
            return None
        return self.head[0] - self.base[0]


def judge(base: Sample, head: Sample, direction: Direction, tolerance: float) -> tuple[Verdict, float | None]:
    """The verdict on two samples of seeds, and the p-value of Welch's test; None if it was not made.

    A change is real if it exceeds `tolerance` and Welch's two-sided test over seeds is significant at `ALPHA`. Neither
    condition is enough alone: by chance, differences of means exceed any small tolerance, and one metric in twenty is
    significant. Together they need a tolerance of about three standard deviations s over seeds. With three seeds a
    side, the difference of two equal means has the standard deviation 0.82 s and exceeds 3 s, in either direction, once
    in four thousand times; a true change of 6 s stays below 3 s once in eight thousand, and Welch's test nearly always
    finds it (simulated in tests).

    With one seed on either side, or no spread on both, there is nothing to test: the tolerance alone decides.
    """
    (base_mean, base_std, base_n), (head_mean, head_std, head_n) = base, head
    assert base_mean is not None and head_mean is not None, "only samples of finite values are judged"
    change = head_mean - base_mean
    testable = min(base_n, head_n) > 1 and bool(base_std or head_std)
    p_value = welch(base, head) if testable else None
    if not abs(change) > tolerance or (p_value is not None and not p_value <= ALPHA):
        return "same", p_value
    return ("better" if (change < 0) == (direction == "lower") else "worse"), p_value


def compare(base: Sequence[Record], head: Sequence[Record], tasks: Sequence[Task]) -> list[Comparison]:
    """Every metric that has a direction, of every model in `base` or `head`, by task, preset, model and metric.

    A model is its label. Its adapter's code and the engine may differ between the sides, since their change is what is
    judged, but not within a side. Protocol, data, bits and precision must agree. Partial records are ignored. A model
    that was trained elsewhere (`Record.trained`) is another model, and the protocol that trained it must agree too. A
    metric that base has and head lacks is worse; a model that only one side has is not comparable, since either side
    may hold only a part of the models. The tolerances are those of the task files.
    """
    by_name = {task.name: task for task in tasks}
    before, after = _by_model(base), _by_model(head)
    found: list[Comparison] = []
    for subject in sorted({*before, *after}):
        task, version, preset, model = subject
        whole = Comparison(task, version, preset, model, None, "not comparable")
        old, new = before.get(subject, []), after.get(subject, [])
        if obstacle := _obstacle(old, new):
            found.append(replace(whole, note=obstacle))
        else:
            found += _compare_metrics(whole, old, new, by_name.get(task))
    return found


def read_side(path: Path) -> list[Record]:
    """The record at `path`, or all records under that folder; RecordError if there is none or a broken one."""
    records = Store(path).records() if path.is_dir() else [read_record(path)]
    if not records:
        raise RecordError(f"folder {path} holds no record; give the folder that `mae-bench run -o` wrote to.")
    return records


def _by_model(records: Sequence[Record]) -> dict[tuple[str, int, str, str], list[Record]]:
    """(task, version, preset, model) -> its complete records, sorted by seed."""
    found: dict[tuple[str, int, str, str], list[Record]] = {}
    for record in sorted(records, key=lambda record: (record.seed, record.record_hash)):
        model = record.model.label + (f" (trained on {record.trained.place})" if record.trained else "")
        subject = (record.task.name, record.task.version, record.preset, model)
        own = found.setdefault(subject, [])
        if record.training.status == "complete" and record not in own:
            own.append(record)
    return found


def _obstacle(base: Sequence[Record], head: Sequence[Record]) -> str | None:
    """Why these records cannot be compared; None if they can."""
    for side, records in (("BASE", base), ("HEAD", head)):
        if not records:
            return f"no complete record in {side}"
        if len({(record.hashes.adapter_source, record.engine_version) for record in records}) > 1:
            return f"{side} has runs of several versions of the adapter or the engine; keep those of one"
        if len({record.seed for record in records}) < len(records):
            return f"{side} has several records of one seed; keep one"
    conditions = [conditions_of(record) for record in (*base, *head)]
    differing = [
        words
        for name, words in {**CONDITIONS, "trained": "training protocol"}.items()
        if name != "engine_version" and len({one[name] for one in conditions}) > 1
    ]
    return f"the records differ in {' and '.join(differing)}" if differing else None


def _compare_metrics(
    whole: Comparison, base: Sequence[Record], head: Sequence[Record], task: Task | None
) -> Iterator[Comparison]:
    """A comparison for every metric with a direction that either side has. task: None if it is not known."""
    tolerances = task.tolerances.get(whole.preset, {}) if task else {}
    named = {name for record in (*base, *head) for name in (*record.metrics, *record.not_supported)}
    for metric in sorted(named, key=board_order):
        direction = metric_kind(metric).direction
        if direction == "none":
            continue
        one = replace(whole, metric=metric, tolerance=tolerances.get(metric))
        absent = _missing(metric, base, "BASE"), _missing(metric, head, "HEAD")
        if any(absent):
            lost = absent[0] is None and _diverged(metric, base, "BASE") is None
            yield replace(one, verdict="worse" if lost else "not comparable", note=absent[0] or absent[1])
            continue
        one = replace(one, base=_sample(metric, base), head=_sample(metric, head))
        diverged = _diverged(metric, base, "BASE"), _diverged(metric, head, "HEAD")
        if any(diverged):
            verdict: Verdict = "not comparable" if all(diverged) else "better" if diverged[0] else "worse"
            yield replace(one, verdict=verdict, note="; ".join(reason for reason in diverged if reason))
        elif one.tolerance is None or one.base is None or one.head is None:
            lacking = f"the task has no tolerance for it at preset {whole.preset}"
            yield replace(one, note=lacking if task else f"no task is called {whole.task}; give its file with --tasks")
        else:
            verdict, p_value = judge(one.base, one.head, direction, one.tolerance)
            single = [side for side, records in (("BASE", base), ("HEAD", head)) if len(records) == 1]
            note = f"one seed in {' and in '.join(single)}: judged by the tolerance alone" if single else None
            yield replace(one, verdict=verdict, p_value=p_value, note=note)


def _missing(metric: str, records: Sequence[Record], side: str) -> str | None:
    for record in records:
        if metric not in record.metrics:
            reason = record.not_supported.get(metric, "not measured")
            return f"absent at seed {record.seed} of {side}: {reason}"
    return None


def _diverged(metric: str, records: Sequence[Record], side: str) -> str | None:
    for record in records:
        measured = record.metrics[metric]
        if measured.value is None:
            return f"no finite value at seed {record.seed} of {side}: {measured.reason or 'no reason given'}"
    return None


def _sample(metric: str, records: Sequence[Record]) -> Sample | None:
    """The sample of the metric's values; None if one of them is not finite."""
    values = [value for record in records if (value := record.metrics[metric].value) is not None]
    return sample_of(values) if len(values) == len(records) else None
