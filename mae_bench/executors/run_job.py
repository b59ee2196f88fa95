"""One job in this process: run, save the record, keep the books in its working directory."""

import errno
import time
import traceback
from contextlib import suppress
from pathlib import Path

from mae_bench.adapter import Progress
from mae_bench.executors import JobResult
from mae_bench.executors.heartbeat import Heartbeat
from mae_bench.executors.specification import MODEL_FOLDER
from mae_bench.foundation.atomic import remove_abandoned
from mae_bench.foundation.errors import MaeBenchError, describe
from mae_bench.foundation.interruption import raise_if_requested
from mae_bench.job.settings import JobSettings
from mae_bench.job.shards import FOLDER, remove_finished_shards
from mae_bench.job.watching import CurveWatcher
from mae_bench.planning.adapter_code import source_file
from mae_bench.planning.plan import Job
from mae_bench.planning.registry import load_adapter_class
from mae_bench.records.pictures import replace_pictures
from mae_bench.records.schema import Record
from mae_bench.records.store import Store

TRACEBACK_FILE = "error.txt"
"""In a job's working directory: the traceback of its unexpected exception, until the job succeeds."""
_SUBFOLDERS = (FOLDER, MODEL_FOLDER)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def run_job(
    job: Job,
    settings: JobSettings,
    *,
    working_directory: Path,
    device: str,
    place: str,
    store: Store | None,
    progress: Progress | None = None,
) -> JobResult:
    """Run `job` from wherever its working directory stands, and save its record and then its pictures in `store`.

    device: as torch calls it in this process; place: as a person calls it. store: None leaves the saving to whoever is
    given the result. progress: told what the progress file is. Nothing but an interruption is raised: whatever fails
    becomes a sentence, and pictures that cannot be drawn are none.
    """
    started = time.monotonic()
    working_directory = working_directory.absolute()  # a model may change the directory that others are relative to
    raise_if_requested()  # one that came too late for the job before
    with Heartbeat(working_directory, job, place) as heartbeat:

        def tell(stage: str, done: int, total: int, note: str) -> None:
            heartbeat.progress(stage, done, total, note)
            if progress is not None:
                progress(stage, done, total, note)

        outcome = _record_or_sentence(
            job,
            settings,
            working_directory=working_directory,
            device=device,
            progress=tell,
            curve=heartbeat.curve,
            store=store,
        )
        pictures: dict[str, bytes] = {}
        if isinstance(outcome, str):
            heartbeat.end("failed", outcome)
        else:
            tell("pictures", 0, 0, "")
            pictures = _draw_pictures(job, outcome, working_directory, device, store)
            heartbeat.end("done")
    return JobResult(job, outcome, time.monotonic() - started, pictures)


def _record_or_sentence(
    job: Job,
    settings: JobSettings,
    *,
    working_directory: Path,
    device: str,
    progress: Progress,
    curve: CurveWatcher,
    store: Store | None,
) -> Record | str:
    from mae_bench.job.execute import execute

    try:
        _remove_abandoned(working_directory)
        record = execute(
            job,
            working_directory=working_directory,
            device=device,
            progress=progress,
            curve=curve,
            settings=settings,
        )
        if store is not None:
            replace_pictures(store.path_of(record), {})  # those of an earlier record
            store.save(record)
    except MaeBenchError as error:
        return str(error)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return f"the store cannot be written to ({error.strerror}); make room, then run it again to resume it."
        reason = describe(error, _file_of(job))
        return f"{reason} ({_keep_traceback(error, working_directory / TRACEBACK_FILE)})"
    remove_finished_shards(working_directory)
    (working_directory / TRACEBACK_FILE).unlink(missing_ok=True)
    return record


def _draw_pictures(
    job: Job, record: Record, working_directory: Path, device: str, store: Store | None
) -> dict[str, bytes]:
    """The pictures of the model that was just scored, beside its record. Whatever fails costs the pictures alone."""
    from mae_bench.job.checkpoint import MODEL_FILE
    from mae_bench.job.gallery import draw_pictures, seconds_for_pictures

    try:
        drawn = draw_pictures(job, working_directory / MODEL_FILE, device, seconds_for_pictures(record))
        pictures = {kind: picture for kind, picture in drawn.items() if isinstance(picture, bytes)}
        if store is not None:
            replace_pictures(store.path_of(record), pictures)
    except Exception:
        return {}
    return pictures


def _file_of(job: Job) -> str | None:
    """The file of the job's model, as tracebacks name it; None if that cannot be told."""
    try:
        return source_file(load_adapter_class(job.model.code, job.model.code_hash))
    except MaeBenchError:
        return None


def _remove_abandoned(working_directory: Path) -> None:
    """The temporary files of killed processes, wherever a job writes; its record's lies beside its working directory.

    One that cannot be removed, as another user's, is no reason for a job to fail.
    """
    for folder in (working_directory.parent, working_directory, *(working_directory / name for name in _SUBFOLDERS)):
        with suppress(OSError):
            remove_abandoned(folder)


def _keep_traceback(error: Exception, path: Path) -> str:
    """Write the traceback to `path` and say so, or say that it could not be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    except OSError:
        return "its traceback could not be written"
    return f"the traceback is in {path}"
