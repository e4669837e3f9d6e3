"""The data folder: made where it is missing, readable by its owner alone, and served by one process."""

import os
import sys
import time
from pathlib import Path
from typing import IO

from licensing.operations.errors import Refused

LOCK_FILE = "serve.lock"
# The demo's word that everything is ready.
READY_FILE = "demo.json"
# Whoever only looks whether the folder is served holds the lock for a moment.
PATIENCE_SECONDS = 1.0


def open_folder(folder: Path) -> None:
    """Make the folder where it is missing; what this process makes in it is its owner's alone.

    Raises:
        Refused: `data_folder`.
    """
    os.umask(0o077)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        usable = os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    except OSError:
        usable = False
    if not usable:
        raise Refused("data_folder", f"{folder} cannot be made or written to; choose another by --data")


def file_unusable(error: OSError, folder: Path) -> Refused:
    """What the system did not let us do with a file, as a refusal; a full disk names none."""
    return Refused("file_unusable", f"{error.filename or folder}: {error.strerror or error}")


def lock(folder: Path) -> IO[bytes]:
    """Take the folder for this process; the lock is held until the file returned is closed.

    The system lets go of it however the process ends.

    Raises:
        Refused: `already_running`.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while (file := _try_lock(folder)) is None:
        if time.monotonic() > until:
            raise Refused("already_running", f"another serve is at work on {folder}")
        time.sleep(0.05)
    return file


def is_served(folder: Path) -> bool:
    """Whether a `serve` is at work on this folder now."""
    file = _try_lock(folder)
    if file is None:
        return True
    file.close()
    return False


def forget_ready(folder: Path) -> None:
    """Take back the word of an earlier `serve` that was killed; one that is at work keeps its own."""
    ready = folder / READY_FILE
    if ready.exists() and not is_served(folder):
        ready.unlink(missing_ok=True)


def _try_lock(folder: Path) -> IO[bytes] | None:
    file = (folder / LOCK_FILE).open("ab")
    try:
        _lock_file(file)
    except OSError:
        file.close()
        return None
    return file


if sys.platform == "win32":
    import msvcrt

    def _lock_file(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock_file(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
