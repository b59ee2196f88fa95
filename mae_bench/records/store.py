"""The store: one JSON file per record, `<root>/<task>/<preset>/<model>/<key>.json`. Does not import torch."""

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.errors import RecordError
from mae_bench.foundation.paths import visible
from mae_bench.foundation.text import quoted
from mae_bench.foundation.untrusted import absurdity, parse_untrusted, read_untrusted
from mae_bench.planning.plan import Job
from mae_bench.records.schema import SCHEMA_VERSION, Record
from mae_bench.records.sealed import check_seal

VERIFICATION_SUFFIX = ".verification.json"
"""The suffix of a verification, the result of a rerun, beside its record (`mae_bench.review.verification`)."""
SUPERSEDED_FILE = "superseded"
"""In a job's working directory, it marks the record beside it as older than a run that repeats every job."""
RECORD, REMEDY = "record", "delete it and run its job again"
"""What messages call a file here, and what they advise."""
_KEY = re.compile(r"[0-9a-f]{64}")


def read_record(path: Path) -> Record:
    """Read an untrusted record and check it: limits, JSON, schema version, schema, record hash.

    RecordError is one sentence that states the file's name, the fault and the remedy.
    """
    content = read_untrusted(path, RECORD)
    return _known(path, content) or _remembered(path, content, _checked(path.name, _parsed(content, path)))


def read_if_record(path: Path) -> Record | None:
    """Like `read_record`, but None for JSON that is not a record at all, since it has no top-level `metrics`."""
    content = read_untrusted(path, RECORD)
    if known := _known(path, content):
        return known
    parsed = _parsed(content, path)
    if not (isinstance(parsed, dict) and "metrics" in parsed):
        return None
    return _remembered(path, content, _checked(path.name, parsed))


def json_files(folder: Path) -> list[Path]:
    """Every JSON file anywhere under `folder` except verifications, sorted; empty if there is no such folder.

    Folders whose name looks like a key are left out: they are the working directories of jobs, where a model's own
    `fit` may keep any JSON; so are dot-files and dot-folders. Symbolic links to folders are not followed; those to
    files are listed, so that `read_record` refuses them by name.
    """
    return [
        path
        for path in visible(folder, "**/*.json")
        if not path.name.endswith(VERIFICATION_SUFFIX)
        and not any(_KEY.fullmatch(part) for part in path.relative_to(folder).parent.parts)
    ]


_read: WeakValueDictionary[tuple[Path, bytes], Record] = WeakValueDictionary()
"""The records that are in use, by path and SHA-256 of the file: boards and checks read them one after the other."""


def _known(path: Path, content: bytes) -> Record | None:
    return _read.get((path, sha256(content).digest()))


def _remembered(path: Path, content: bytes, record: Record) -> Record:
    _read[path, sha256(content).digest()] = record
    return record


def _parsed(content: bytes, path: Path) -> Any:
    return parse_untrusted(content, path.name, RECORD, REMEDY)


def _checked(name: str, content: Any) -> Record:
    """`content` as a record, which messages call `name`."""
    if not isinstance(content, dict) or "metrics" not in content:
        raise RecordError(f"{name} is not a record of mae-bench (it has no metrics); give a file that `run` wrote.")
    version = content.get("schema_version")
    if version != SCHEMA_VERSION:
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        raise RecordError(
            f"record {name} has schema version {quoted(repr(version))} and this mae-bench reads {SCHEMA_VERSION}; "
            f"{_upgrade(content) if newer else REMEDY}."
        )
    return check_seal(Record, content, "record_hash", what=RECORD, name=name, remedy=REMEDY)


def _upgrade(content: dict[str, Any]) -> str:
    """The remedy for a record of a newer schema; the record says which mae-bench wrote it."""
    environment = content.get("environment")
    writer = environment.get("mae_bench") if isinstance(environment, dict) else None
    known = isinstance(writer, str) and re.fullmatch(r"[0-9][0-9A-Za-z.+-]{0,30}", writer)
    return f"upgrade mae-bench to {writer}, which wrote it, or newer" if known else "upgrade mae-bench"


@dataclass(frozen=True)
class Store:
    """All records under `root`. A record is only ever replaced as a whole."""

    root: Path

    def record_path(self, job: Job) -> Path:
        """The path of the record of `job`, once it is done."""
        return self._path(job.task.name, job.preset, job.model.name, job.key)

    def path_of(self, record: Record) -> Path:
        """The path of `record`, once it is saved."""
        return self._path(record.task.name, record.preset, record.model.name, record.key)

    def working_directory(self, job: Job) -> Path:
        """The folder for the checkpoints of `job`, beside its record."""
        return self.record_path(job).with_suffix("")

    def supersede(self, job: Job) -> None:
        """Note that `job` is to run again although it has a record, which stays readable until `save` replaces it."""
        write_atomically(self.working_directory(job) / SUPERSEDED_FILE, b"")

    def is_superseded(self, job: Job) -> bool:
        """Whether `job` was noted by `supersede` and no new record of it has been saved since."""
        return (self.working_directory(job) / SUPERSEDED_FILE).exists()

    def _path(self, task: str, preset: str, model: str, key: str) -> Path:
        return self.root / task / preset / model / f"{key}.json"

    def find(self, job: Job) -> Record | None:
        """The record of `job`, or None if it has none. RecordError if its file is broken."""
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
        """Write `record` to its path and return the path. RecordError if it could not be read again."""
        path = self.path_of(record)
        content = record.content()
        if fault := absurdity(content):
            raise RecordError(
                f"record {path.name} cannot be stored ({fault}); change the adapter's parameters or messages."
            )
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        write_atomically(path, f"{text}\n".encode())
        (path.with_suffix("") / SUPERSEDED_FILE).unlink(missing_ok=True)
        return path

    def records(self) -> list[Record]:
        """Every record under the root, in the order of the paths. RecordError names the first broken one."""
        found = (read_if_record(path) for path in json_files(self.root))
        return [record for record in found if record is not None]
