"""The store: one JSON file a record, `<root>/<task>/<preset>/<model>/<key>.json`. Does not import torch."""

import json
from dataclasses import dataclass
from math import isinf
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mae_bench.atomic import write_atomically
from mae_bench.errors import RecordError
from mae_bench.plan import Job
from mae_bench.records.schema import SCHEMA_VERSION, Record


def read_record(path: Path) -> Record:
    """Read a record and check it: JSON, schema version, schema, record hash.

    RecordError is one sentence with the file's name, the fault and the remedy.
    """
    return _checked(path.name, _load_json(path))


def read_if_record(path: Path) -> Record | None:
    """Like `read_record`, but None for JSON that is no record at all: it has no top-level `metrics`."""
    content = _load_json(path)
    return _checked(path.name, content) if isinstance(content, dict) and "metrics" in content else None


def json_files(folder: Path) -> list[Path]:
    """Every JSON file anywhere under `folder`, sorted; none where there is no such folder."""
    return sorted(folder.rglob("*.json"))


def _load_json(path: Path) -> Any:
    """The JSON in `path`, stricter than `json.load`: no key twice, no NaN, no infinity. RecordError where it is not."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: dict[str, Any] = {}
        for key, value in pairs:
            if key in seen:
                raise ValueError(f"the key {key!r} stands twice")
            seen[key] = value
        return seen

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not a number")

    def finite(digits: str) -> float:
        if isinf(value := float(digits)):
            raise ValueError(f"{digits} is beyond all floats")
        return value

    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text, object_pairs_hook=once, parse_constant=refuse, parse_float=finite)
    except OSError as error:
        raise RecordError(f"record {path.name} cannot be read ({error.strerror}); give a readable file.") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(
            f"record {path.name} is not valid JSON ({error}); delete it and run its job again."
        ) from error


def _checked(name: str, content: Any) -> Record:
    """`content` as a record; `name` is what messages call it."""
    remedy = "delete it and run its job again"
    if not isinstance(content, dict) or "metrics" not in content:
        raise RecordError(f"{name} is not a record of mae-bench (it has no metrics); give a file that `run` wrote.")
    version = content.get("schema_version")
    if version != SCHEMA_VERSION:
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        raise RecordError(
            f"record {name} has schema version {version!r} and this mae-bench reads {SCHEMA_VERSION}; "
            f"{'upgrade mae-bench' if newer else remedy}."
        )
    try:
        record = Record.model_validate(content)
        intact = record.content_hash() == record.record_hash
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise RecordError(f"record {name} does not fit the schema ({where}: {first['msg']}); {remedy}.") from error
    except ValueError as error:  # text that has no bytes in UTF-8
        raise RecordError(f"record {name} cannot be hashed ({error}); {remedy}.") from error
    if not intact:
        raise RecordError(f"record {name} was changed after it was written (its hash does not match); {remedy}.")
    return record


@dataclass(frozen=True)
class Store:
    """All records under `root`. A record is only ever replaced whole."""

    root: Path

    def record_path(self, job: Job) -> Path:
        """Where the record of `job` lies once it is done."""
        return self._path(job.task.name, job.preset, job.model.name, job.key)

    def working_directory(self, job: Job) -> Path:
        """The folder for the checkpoints of `job`, beside its record."""
        return self.record_path(job).with_suffix("")

    def _path(self, task: str, preset: str, model: str, key: str) -> Path:
        return self.root / task / preset / model / f"{key}.json"

    def find(self, job: Job) -> Record | None:
        """The record of `job`, or None where it has none. RecordError where its file is broken."""
        path = self.record_path(job)
        if not path.exists():
            return None
        try:
            record = read_record(path)
        except RecordError as error:
            fault = str(error).rsplit(";", 1)[0]
            raise RecordError(f"{fault}; delete it or use --overwrite-strategy always.") from error
        if record.key != job.key:
            raise RecordError(
                f"record {path.name} holds another job's key; delete it or use --overwrite-strategy always."
            )
        return record

    def save(self, record: Record) -> Path:
        """Write `record` to its place and return that."""
        path = self._path(record.task.name, record.preset, record.model.name, record.key)
        text = json.dumps(record.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(path, f"{text}\n".encode())
        return path

    def records(self) -> list[Record]:
        """Every record under the root, in the order of the paths. RecordError names the first broken one."""
        found = (read_if_record(path) for path in json_files(self.root))
        return [record for record in found if record is not None]
