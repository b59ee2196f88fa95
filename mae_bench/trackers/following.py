"""What a tracker has been told of a job, and what is new: read from the files that the job writes. Imports no torch."""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ValidationError

from mae_bench.foundation.atomic import write_atomically
from mae_bench.foundation.errors import RecordError
from mae_bench.foundation.untrusted import load_untrusted
from mae_bench.records.curve import CURVE_FILE, read_curve
from mae_bench.records.schema import EpochRow, Record
from mae_bench.records.store import SUPERSEDED_FILE, read_record
from mae_bench.trackers import TrackedJob, Tracker

STATE_FOLDER = ".told"
"""In a tracker's folder: what it has been told of each job, so that a resumed one goes on in the same run."""
LOOKS_FOR_PICTURES = 30
"""How often to look for more pictures of a job after its record, before the tracker's run is closed."""

Signature = tuple[int, int]
"""Time of change in nanoseconds, and size, of a file: another one means that there is something new."""


class Told(BaseModel):
    """What a tracker has been told of a job."""

    run: str | None = None
    """The tracker's name for it."""
    epochs: int = 0
    record: str | None = None
    """The `record_hash`."""
    pictures: dict[str, Signature] = {}


class Following:
    """One job and one tracker. folder: the tracker's; record: the path of the job's record, once there is one.

    anew: the job is about to run from its beginning, whatever is there.
    """

    def __init__(
        self, tracker_class: type[Tracker], folder: Path, job: TrackedJob, record: Path, *, anew: bool
    ) -> None:
        self._class, self._folder, self._job, self._record_path = tracker_class, folder, job, record
        self._working_directory = record.with_suffix("")
        self._state_path = folder / STATE_FOLDER / f"{job.key}.json"
        self._told = Told() if anew else _read_state(self._state_path)
        self._before = _signature(record) if anew else None
        self._seen: dict[Path, Signature | None] = {}
        self._open: Tracker | None = None
        self._looks_left = 0

    def look(self, *, last: bool = False) -> None:
        """Tell the tracker what is new. last: also of pictures that came late, and then close its run."""
        record = self._new_record()
        if record:
            self._tell_epochs(record.training.curve)
            self._tell_scores(record)
            self._looks_left = LOOKS_FOR_PICTURES
        elif self._is_new(curve := self._working_directory / CURVE_FILE):
            self._tell_epochs(read_curve(curve))
        if self._told.record and (self._looks_left or last):
            self._looks_left = max(0, self._looks_left - 1)
            self._tell_pictures()
        if last or (self._told.record and not self._looks_left):
            self.close()

    def close(self) -> None:
        """Close the tracker's run, if it is open."""
        tracker, self._open = self._open, None
        if tracker:
            tracker.close(finished=self._told.record is not None)

    def _new_record(self) -> Record | None:
        """The job's record, if the tracker has not been told of it and no other is to replace it."""
        path = self._record_path
        if (self._working_directory / SUPERSEDED_FILE).exists() or _signature(path) == self._before:
            return None
        if not self._is_new(path):
            return None
        try:
            record = read_record(path)
        except RecordError:
            return None
        return None if record.record_hash == self._told.record else record

    def _is_new(self, path: Path) -> bool:
        """Whether the file is there and has changed since this was last asked."""
        before, self._seen[path] = self._seen.get(path), _signature(path)
        return self._seen[path] not in (before, None)

    def _tell_epochs(self, rows: Sequence[EpochRow]) -> None:
        if not rows or rows[-1].epoch <= self._told.epochs:
            return
        tracker = self._tracker()
        for row in rows:
            if row.epoch > self._told.epochs:
                tracker.log(row.epoch, values_of(row))
                self._told.epochs = row.epoch
                self._keep()

    def _tell_scores(self, record: Record) -> None:
        self._tracker().score(record.training.epochs, scores_of(record))
        self._told.record = record.record_hash
        self._keep()

    def _tell_pictures(self) -> None:
        for path in sorted(self._record_path.parent.glob(f"{self._job.key}.*.png")):
            name, signature = path.name.removeprefix(f"{self._job.key}.").removesuffix(".png"), _signature(path)
            if signature and self._told.pictures.get(name) != signature:
                self._tracker().show(self._told.epochs, name, path)
                self._told.pictures[name] = signature
                self._keep()

    def _tracker(self) -> Tracker:
        if self._open is None:
            self._open = self._class(self._folder, self._job, self._told.run)
            if self._open.run != self._told.run:  # a new one, which has been told of nothing
                self._told, self._seen = Told(run=self._open.run), {}
                self._keep()
        return self._open

    def _keep(self) -> None:
        write_atomically(self._state_path, self._told.model_dump_json().encode())


def values_of(row: EpochRow) -> dict[str, float]:
    """The numbers of an epoch by the names that trackers show; those that it lacks are left out."""
    values = {
        **{f"train/{name}": value for name, value in row.train.items()},
        "validation/negative_elbo": row.validation_negative_elbo,
        "validation/loss": row.validation_loss,
        "learning_rate": row.learning_rate,
        "step": row.step,
    }
    return {name: float(value) for name, value in values.items() if value is not None}


def scores_of(record: Record) -> dict[str, float]:
    """Every metric of the record that has a value, and its standard error, by the names that trackers show."""
    values: dict[str, float | None] = {}
    for name, metric in record.all_metrics.items():
        values |= {f"score/{name}": metric.value, f"score/{name}_stderr": metric.stderr}
    return {name: value for name, value in values.items() if value is not None}


def _signature(path: Path) -> Signature | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _read_state(path: Path) -> Told:
    try:
        return Told.model_validate(load_untrusted(path, "state of a tracker"))
    except (RecordError, ValidationError):
        return Told()
