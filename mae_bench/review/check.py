"""The static check of records: may they be on a board? It only reads JSON and never imports submitted code."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mae_bench import ENGINE_VERSION
from mae_bench.foundation.canonical import sha256_of
from mae_bench.foundation.errors import RecordError
from mae_bench.foundation.paths import visible
from mae_bench.foundation.text import printable, quoted
from mae_bench.planning.plan import PRECISION, Job, ModelReference, other_images
from mae_bench.planning.task import Task
from mae_bench.records.schema import Record
from mae_bench.records.store import json_files, read_if_record, read_record
from mae_bench.review.plausibility import impossible_values
from mae_bench.review.verification import verification_fault, verification_files, verification_path


@dataclass(frozen=True)
class CheckedRecords:
    """files: the records without a fault, by file. faults: one sentence for each, with the file and the remedy.

    verified: the hashes of the records that the verification beside them confirms, in the folders that were searched.
    """

    files: Mapping[Path, Record]
    faults: tuple[str, ...]
    verified: frozenset[str]

    @property
    def good(self) -> tuple[Record, ...]:
        """The records without a fault."""
        return tuple(self.files.values())


def check_records(paths: Sequence[Path], tasks: Sequence[Task], board: Sequence[Record] = ()) -> CheckedRecords:
    """Check the records at `paths`, which are files or folders to search.

    A record is good if `read_record` accepts it; its file is named after its key; its key, its protocol and its data
    are those that follow from the task in `tasks`, this engine and the record's own model; its numbers are possible
    (`mae_bench.review.plausibility`); its bits are those of most records of its data, there and on `board`, which the
    records are to join; and no other record of its run is at `paths` or on `board`. A record on `board` with the same
    key is allowed, since it would be replaced, unless it is complete and the new one is partial. A verification in a
    folder of `paths` must confirm the record beside it (`mae_bench.review.verification`).
    """
    by_name = {task.name: task for task in tasks}
    good: dict[Path, Record] = {}
    faults: list[str] = []
    for path in paths:
        found, broken = _read(path)
        faults += broken
        for file, record in found.items():
            own = _record_faults(file.name, record, by_name)
            faults += own
            if not own:
                good[file.resolve()] = record
    faults += _duplicates(good, board)
    faults += _other_bits(good, board)
    verified: set[str] = set()
    for beside, fault in _judge_verifications(paths, good, by_name):
        if fault:
            faults.append(fault)
        elif beside:
            verified.add(beside.record_hash)
    return CheckedRecords(good, tuple(printable(fault) for fault in faults), frozenset(verified))


def describe_run(record: Record) -> str:
    """One printable line that names the run for people, whatever the record contains."""
    return quoted(record.title)


def _read(path: Path) -> tuple[dict[Path, Record], list[str]]:
    """The record at `path`, or all records in that folder, and a sentence for each fault."""
    found: dict[Path, Record] = {}
    broken: list[str] = []
    if path.is_dir():
        broken += [
            f"folder {link.name} is a symbolic link, which is not followed; put the folder itself in its place."
            for link in visible(path, "**/*")
            if link.is_symlink() and link.is_dir()
        ]
    for file in json_files(path) if path.is_dir() else [path]:
        try:
            record = read_if_record(file) if path.is_dir() else read_record(file)
        except RecordError as error:
            broken.append(str(error))
        else:
            found |= {file: record} if record is not None else {}
    if not found and not broken:
        broken.append(f"folder {path} holds no record; give the folder that `mae-bench run -o` wrote to.")
    return found, broken


def _record_faults(file: str, record: Record, tasks: Mapping[str, Task]) -> list[str]:
    """Sentences: why the record does not belong to this task and engine or, if it does, what is impossible in it."""
    task = tasks.get(record.task.name)
    if task is None or record.preset not in task.presets:
        known = ", ".join(f"{task.name} ({', '.join(task.presets)})" for task in tasks.values()) or "none"
        return [
            f"record {file} is of {record.task.name} at preset {record.preset}, which is unknown; "
            f"give records of a known task: {known}."
        ]
    if fault := _foreign(file, record, task, tasks):
        return [f"record {file} {fault}."]
    return [f"record {file}: {fault}; run its job again." for fault in impossible_values(record, task)]


def _foreign(file: str, record: Record, task: Task, tasks: Mapping[str, Task]) -> str | None:
    """The first reason why this mae-bench would not write such a record for `task`; None if it would."""
    protocol = task.protocol_hash(record.preset)
    foreign_training = _foreign_training(record, task, tasks)
    training = None if foreign_training else _training(record, tasks)
    again = "run its job again with this mae-bench"
    checks = (
        (
            (record.engine_version, record.precision) == (ENGINE_VERSION, PRECISION),
            f"was measured by engine version {record.engine_version} in {quoted(record.precision)}, "
            f"not {ENGINE_VERSION} in {PRECISION}; {again}",
        ),
        (
            record.task.version == task.version,
            f"is of version {record.task.version} of task {task.name}, which is now at version {task.version}; {again}",
        ),
        (
            task.data.sha256 in (record.hashes.data, None),
            f"was measured on other data than task {task.name} declares; {again}",
        ),
        (
            sha256_of(record.protocol) == record.hashes.protocol == protocol,
            f"was measured by another protocol than task {task.name} declares; {again}",
        ),
        (not foreign_training, foreign_training or ""),
        (
            record.key == Job(_model(record), task, record.preset, record.seed, training).key,
            f"has a key that does not match its contents; {again}",
        ),
        (file == f"{record.key}.json", f"is not named after its key; rename it to {record.key}.json"),
    )
    return next((fault for good, fault in checks if not good), None)


def _training(record: Record, tasks: Mapping[str, Task]) -> Job | None:
    """The job that trained the model, if it was trained elsewhere, by the known task of that name."""
    trained = record.trained
    task = tasks.get(trained.task.name) if trained else None
    if trained is None or task is None or trained.preset not in task.presets:
        return None
    return Job(_model(record), task, trained.preset, record.seed)


def _foreign_training(record: Record, task: Task, tasks: Mapping[str, Task]) -> str | None:
    """Why this mae-bench would not score on `task` a model that was trained as the record says; None if it would."""
    trained, training = record.trained, _training(record, tasks)
    if trained is None:
        return None
    if training is None:
        return f"is of a model trained on {trained.place}, which is not a known task; give records of known tasks"
    if record.training.status == "partial":
        return "is of a model whose training was cut short; finish the training and evaluate the model again"
    if difference := other_images(training.task, task):
        return f"is of a model that cannot be scored on {task.name} ({difference}); evaluate it on another task"
    if (trained.key, trained.task.version, sha256_of(trained.protocol)) != (
        training.key,
        training.task.version,
        training.task.protocol_hash(training.preset),
    ):
        return (
            f"is of a model trained by another job than {training.task.name} and the record itself define; train and "
            "evaluate the model again with this mae-bench"
        )
    return None


def _duplicates(found: Mapping[Path, Record], board: Sequence[Record]) -> list[str]:
    """A sentence for each record whose run has another: a copy, one by another adapter file, or a complete one."""
    complete = {record.key for record in board if record.training.status == "complete"}
    faults = [
        f"record {record.key}.json is partial and would replace a complete record of its job on the board; "
        "leave it out or run the job to its end."
        for record in found.values()
        if record.training.status == "partial" and record.key in complete
    ]
    keys: dict[str, Record] = {}
    for record in found.values():
        other = keys.setdefault(record.key, record)
        if other is not record:
            difference = "" if other == record else " with different contents"
            faults.append(f"record {record.key}.json was found twice{difference}; keep one of the two.")
    runs: dict[str, str] = {}
    for record in (*(record for record in board if record.key not in keys), *keys.values()):
        other_key = runs.setdefault(record.title, record.key)
        if other_key != record.key and record.key in keys:
            faults.append(
                f"records {other_key}.json and {record.key}.json are both of {describe_run(record)}, by different "
                "adapter files; keep one, or give one of the models another name."
            )
    return faults


def _judge_verifications(
    paths: Sequence[Path], good: Mapping[Path, Record], tasks: Mapping[str, Task]
) -> Iterator[tuple[Record | None, str | None]]:
    """For each verification under `paths`, the good record beside it and, if it does not confirm that record, why."""
    beside = {verification_path(file): record for file, record in good.items()}
    files = (file for path in paths if path.is_dir() for file in verification_files(path))
    for file in dict.fromkeys(file.parent.resolve() / file.name for file in files):
        record = beside.get(file)
        yield record, verification_fault(file, record, tasks.get(record.task.name) if record else None)


def _other_bits(found: Mapping[Path, Record], board: Sequence[Record]) -> Iterator[str]:
    """A sentence for each record with other bits than most of its task: the task's seed alone draws them from the data.

    Whether those of most are right is seen by a rerun alone, since drawing them needs the data.
    """
    seen = {record.record_hash: record for record in (*board, *found.values())}
    for which in ("validation_bits", "test_bits"):
        of_data: dict[tuple[object, ...], Counter[str | None]] = {}
        for record in seen.values():
            of_data.setdefault(_drawn_from(record), Counter())[getattr(record.hashes, which)] += 1
        for record in found.values():
            bits, usual = getattr(record.hashes, which), of_data[_drawn_from(record)].most_common(1)[0][0]
            if bits != usual:
                yield (
                    f"record {record.key}.json has other {which.replace('_', ' ')} than most records of task "
                    f"{record.task.name}, {bits} instead of {usual}; run its job again."
                )


def _drawn_from(record: Record) -> tuple[object, ...]:
    """What decides the bits of a record, beside the task's seed, which its version fixes."""
    return record.task.name, record.task.version, record.hashes.data


def _model(record: Record) -> ModelReference:
    """The model as the record describes it, without its code, since nothing is loaded."""
    params = tuple(sorted(record.model.params.items()))
    return ModelReference(record.model.name, "", params, record.hashes.adapter_source)
