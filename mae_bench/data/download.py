"""The data folder, and files fetched into it by pooch from the first mirror that has the right one."""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import platformdirs
import pooch

from mae_bench.errors import DataError

FOLDER_VARIABLE = "MAE_BENCH_DATA"


def data_folder() -> Path:
    """Where data sets are kept: what MAE_BENCH_DATA names, else the user's cache folder of this machine."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("mae-bench"))


def fetch(file_name: str, mirrors: Sequence[str], known_hash: str, *, prepared: str) -> Path:
    """The path of `file_name` in the data folder, downloaded first where it is missing or damaged.

    mirrors: URL prefixes that end in "/", tried in turn; the next one serves where one is unreachable, answers with an
    error, breaks off or sends other bytes. known_hash: the file's SHA-256, hexadecimal. prepared: the name of the file
    that serves in its place, for the message. The file appears whole or not at all. DataError names the file, what went
    wrong at each mirror and the remedy.
    """
    folder = data_folder()
    path = folder / file_name
    faults = []
    try:
        if path.exists():
            if pooch.file_hash(str(path)) == known_hash:
                return path
            faults.append("the copy in the data folder is damaged")
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            f"the data folder {folder} cannot hold {file_name} ({error.strerror}); "
            f"set {FOLDER_VARIABLE} to a folder you can write to."
        ) from error

    pooch.get_logger().setLevel(logging.ERROR)
    for mirror in mirrors:
        print(f"Downloading {file_name} from {mirror}", file=sys.stderr)
        try:
            # requests raises subclasses of OSError, pooch a ValueError where the hash is not the known one.
            pooch.retrieve(mirror + file_name, known_hash=known_hash, fname=file_name, path=folder)
        except (OSError, ValueError) as error:
            faults.append(f"{mirror}: {_fault(error)}")
        else:
            return path
    raise DataError(
        f"{file_name} cannot be had ({'; '.join(faults)}); "
        f"check the network, or put {prepared} into {folder} (or into the folder that {FOLDER_VARIABLE} names)."
    )


def _fault(error: OSError | ValueError) -> str:
    """What went wrong at a mirror, in a few words: the library's own text repeats the URL, at length."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP status {response.status_code}"
    if isinstance(error, OSError):
        return error.strerror or f"the transfer failed ({type(error).__name__})"
    return "what it sent does not have the known SHA-256"
