"""The data folder: made where it is missing, readable by its owner alone, and served by one process."""

import os
import sys
from pathlib import Path
from typing import IO

from licensing.operations.errors import Refused

LOCK_FILE = "serve.lock"


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


def lock(folder: Path) -> IO[bytes]:
    """Take the folder for this process; the lock is held until the file returned is closed.

    The system lets go of it however the process ends.

    Raises:
        Refused: `already_running`.
    """
    file = (folder / LOCK_FILE).open("ab")
    try:
        _lock_file(file)
    except OSError:
        file.close()
        raise Refused("already_running", f"another serve is at work on {folder}") from None
    return file


def is_served(folder: Path) -> bool:
    """Whether a `serve` is at work on this folder now."""
    try:
        lock(folder).close()
    except Refused:
        return True
    except OSError:
        return False
    return False


if sys.platform == "win32":
    import msvcrt

    def _lock_file(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock_file(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
