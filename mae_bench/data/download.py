"""The data folder, and files that pooch fetches into it from the first mirror that has the right one."""

import hashlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from tempfile import TemporaryDirectory

import platformdirs
import pooch

from mae_bench.foundation.errors import DataError
from mae_bench.foundation.paths import given_path

FOLDER_VARIABLE = "MAE_BENCH_DATA"
_allowed = ContextVar("allowed", default=True)
"""Whether `fetch` may download."""


class DownloadNeeded(DataError):
    """A file that is not in the data folder, or damaged there, where downloads are not allowed."""


@contextmanager
def no_downloads() -> Iterator[None]:
    """Within it, `fetch` raises `DownloadNeeded` where it would download, and writes nothing."""
    token = _allowed.set(False)
    try:
        yield
    finally:
        _allowed.reset(token)


def data_folder() -> Path:
    """Where data sets are kept: the folder that MAE_BENCH_DATA names, else mae-bench in the user's cache."""
    named = os.environ.get(FOLDER_VARIABLE)
    return given_path(named) if named else Path(platformdirs.user_cache_dir("mae-bench"))


def fetch(file_name: str, mirrors: Sequence[str], known_hash: str, *, prepared: str = "", folder: str = "") -> Path:
    """The path of `file_name` in the data folder, downloaded first if it is missing or damaged.

    mirrors: URL prefixes that end in "/", tried in turn until one sends the right file. known_hash: the file's SHA-256
    in hexadecimal, or "md5:" and its MD5, or "git-blob:" and its git blob id. prepared: the name of another file
    that would do in its place, for the message. folder: the one in the data folder that keeps the file, if other data
    sets have files of that name. The file appears whole or not at all. DataError says what went wrong at each mirror.
    """
    place = data_folder() / folder
    path = place / file_name
    faults = []
    try:
        if path.exists():
            if _has_hash(path, known_hash):
                return path
            faults.append("the copy in the data folder is damaged")
        if not _allowed.get():
            raise DownloadNeeded(f"{file_name} is not in {place}; allow downloads, or put it there.")
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"the data folder {place} cannot hold {file_name} ({error.strerror}); "
            f"set {FOLDER_VARIABLE} to a folder you can write to."
        ) from error

    pooch.get_logger().setLevel(logging.ERROR)
    for mirror in mirrors:
        print(f"Downloading {file_name} from {mirror}", file=sys.stderr)
        try:
            with TemporaryDirectory(dir=place) as fresh:
                downloaded = Path(pooch.retrieve(mirror + file_name, known_hash=None, fname=file_name, path=fresh))
                if _has_hash(downloaded, known_hash):
                    return downloaded.replace(path)
            faults.append(f"{mirror}: what it sent does not have the known hash")
        except OSError as error:  # which includes those of requests
            faults.append(f"{mirror}: {_fault(error)}")
    named = f"{folder} in the folder" if folder else "the folder"
    raise DataError(
        f"{file_name} could not be fetched ({'; '.join(faults)}); check the network, or put "
        f"{prepared or file_name} into {place} (or into {named} that {FOLDER_VARIABLE} names)."
    )


def git_blob_id(content: bytes) -> str:
    """The git blob id of `content`: SHA-1 over "blob", its length, a zero byte and the content, hexadecimal."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _has_hash(path: Path, known_hash: str) -> bool:
    algorithm, _, digest = known_hash.rpartition(":")
    if algorithm == "git-blob":
        return git_blob_id(path.read_bytes()) == digest
    return bool(pooch.file_hash(str(path), alg=algorithm or "sha256") == digest)


def _fault(error: OSError) -> str:
    """What went wrong at a mirror, in a few words; the library's own text repeats the URL at length."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    return error.strerror or f"the transfer failed ({type(error).__name__})"
