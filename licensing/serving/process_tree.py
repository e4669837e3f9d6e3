"""A process together with everything that it started, so that all of it can be ended."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import IO

import psutil

if sys.platform == "win32":
    _GROUP, _END = subprocess.CREATE_NEW_PROCESS_GROUP, signal.CTRL_BREAK_EVENT
else:
    _GROUP, _END = 0, signal.SIGTERM


class Descendants:
    """The processes that a process started, noted while their parents live: an orphan names no parent."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._known: set[psutil.Process] = set()
        self._lock = threading.Lock()

    def note(self) -> None:
        """Add those that are there now, forget those that are gone."""
        # Two threads may note at once: each reckons on a copy, and what one has found the other keeps.
        before = self._known
        found = set(before)
        with contextlib.suppress(psutil.Error, OSError):
            found |= set(psutil.Process(self._pid).children(recursive=True))
        for process in list(found):
            with contextlib.suppress(psutil.Error, OSError):
                found |= set(process.children(recursive=True))
        with self._lock:
            found |= self._known - before
            self._known = {process for process in found if process.is_running()}

    def kill(self, seconds: float = 2.0) -> None:
        """End all of them at once."""
        self.note()
        kill_all(self._known, seconds)


def kill_all(processes: Iterable[psutil.Process], seconds: float) -> None:
    """Kill processes and wait until they have ended, at most `seconds`."""
    targets = list(processes)
    for process in targets:
        with contextlib.suppress(psutil.Error, OSError):
            process.kill()
    until = time.monotonic() + seconds
    while any(is_alive(process) for process in targets) and time.monotonic() < until:
        time.sleep(0.01)


def is_alive(process: psutil.Process) -> bool:
    """Whether a process runs. One whose parent does not ask after it stays in the list when it is dead."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, OSError):
        # Whoever cannot look, for want of a file or of memory, has not seen anybody dead.
        return True


class ProcessTree:
    """A child process, the leader of a session of its own, and its descendants."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], output: IO[bytes]) -> None:
        self._leader = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            creationflags=_GROUP,
        )
        self._descendants = Descendants(self._leader.pid)

    @property
    def pid(self) -> int:
        """The leader's process id."""
        return self._leader.pid

    def note(self) -> None:
        """Remember the descendants that are there now."""
        self._descendants.note()

    def status(self) -> int | None:
        """The leader's exit status; None while it runs."""
        return self._leader.poll()

    def ask_to_end(self) -> None:
        """Ask the leader to end itself and what it started."""
        self.note()
        with contextlib.suppress(ProcessLookupError):
            self._leader.send_signal(_END)

    def kill(self) -> None:
        """End whatever is left of the tree, at once."""
        self._descendants.note()
        if sys.platform != "win32":
            # The session's group also holds processes that were never noted.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._leader.pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            self._leader.kill()
        self._descendants.kill()
        self._leader.wait()
