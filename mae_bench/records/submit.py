"""Submission: checked records into a board folder, whose README.md is rendered anew. Does not import torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mae_bench import ENGINE_VERSION
from mae_bench.atomic import write_atomically
from mae_bench.canonical import sha256_of
from mae_bench.errors import RecordError
from mae_bench.plan import PRECISION, Job, ModelReference
from mae_bench.records.aggregate import boards
from mae_bench.records.schema import Record
from mae_bench.records.store import Store, json_files, read_if_record, read_record
from mae_bench.report.markdown import render_boards
from mae_bench.task import Task

HEADER = """\
# Leaderboard

Every number here is computed from the records under `results/`, one JSON file a job. `mae-bench submit` checks a
record, copies it there and renders this page anew; `mae-bench leaderboard` prints the same tables. Do not edit this
page by hand.
"""


@dataclass(frozen=True)
class SubmitResult:
    """What became of a submission: either every record is in `copied`, or there are `refused` ones and nothing changed.

    copied: the records' new paths. refused: one sentence for each fault, with the file, the reason and the remedy.
    """

    copied: tuple[Path, ...]
    refused: tuple[str, ...]


def submit(paths: Sequence[Path], board: Path, tasks: Sequence[Task]) -> SubmitResult:
    """Check the records at `paths` (files, or folders searched through) and copy them to `<board>/results`.

    A record is good where `read_record` accepts it, its file is named after its key, and its key, its protocol and its
    data are those that the task in `tasks`, this engine and the record's own model give. One refused record stops the
    whole submission. RecordError where a record already on the board is broken.
    """
    store = Store(board / "results")
    store.records()
    by_name = {task.name: task for task in tasks}
    accepted: dict[str, Record] = {}
    refused: list[str] = []
    for path in paths:
        submitted, broken = _read(path)
        refused += broken
        for file, record in submitted:
            if fault := _fault(file, record, by_name):
                refused.append(fault)
            elif accepted.setdefault(record.key, record) != record:
                refused.append(f"record {file} was given twice with different contents; submit one of them.")
    if refused:
        return SubmitResult((), tuple(refused))
    copied = tuple(store.save(record) for record in accepted.values())
    render_board_folder(board, tasks)
    return SubmitResult(copied, ())


def render_board_folder(board: Path, tasks: Sequence[Task]) -> Path:
    """Write `<board>/README.md` anew from the records under `<board>/results`, and return its path."""
    page = board / "README.md"
    found = boards(Store(board / "results").records(), tasks)
    write_atomically(page, f"{HEADER}\n{render_boards(found)}".encode())
    return page


def _read(path: Path) -> tuple[list[tuple[str, Record]], list[str]]:
    """The record at `path`, or all those in that folder, with their files' names; and a sentence for each fault."""
    found: list[tuple[str, Record]] = []
    broken: list[str] = []
    for file in json_files(path) if path.is_dir() else [path]:
        try:
            record = read_if_record(file) if path.is_dir() else read_record(file)
        except RecordError as error:
            broken.append(str(error))
        else:
            found += [(file.name, record)] if record is not None else []
    if not found and not broken:
        broken.append(f"folder {path} holds no record; give the folder that `mae-bench run -o` wrote to.")
    return found, broken


def _fault(file: str, record: Record, tasks: Mapping[str, Task]) -> str | None:
    """The first reason why this record cannot stand on a board of `tasks`, as a sentence; None where it can."""
    task = tasks.get(record.task.name)
    if task is None or record.preset not in task.presets:
        known = ", ".join(f"{task.name} ({', '.join(task.presets)})" for task in tasks.values()) or "none"
        return f"record {file} is of {record.task.name}, preset {record.preset}; give records of a known task: {known}."
    protocol = task.protocol_hash(record.preset)
    params = tuple(sorted(record.model.params.items()))
    model = ModelReference(record.model.name, "", params, record.hashes.adapter_source)
    again = "run its job again with this mae-bench"
    checks = (
        (
            (record.engine_version, record.precision) == (ENGINE_VERSION, PRECISION),
            f"was measured by engine version {record.engine_version} in {record.precision}, "
            f"not {ENGINE_VERSION} in {PRECISION}; {again}",
        ),
        (
            record.hashes.data == task.data.sha256,
            f"was measured on other data than task {task.name} declares; {again}",
        ),
        (
            sha256_of(record.protocol) == record.hashes.protocol == protocol,
            f"was measured by another protocol than task {task.name} declares; {again}",
        ),
        (
            record.key == Job(model, task, record.preset, record.seed).key,
            f"bears a key that its contents do not give; {again}",
        ),
        (file == f"{record.key}.json", f"is not named after its key; name it {record.key}.json"),
    )
    return next((f"record {file} {fault}." for good, fault in checks if not good), None)
