"""No process outlives the supervisor that it belongs to, however the supervisor ended."""

import os
import signal
import threading
import time

import psutil

from .process_tree import is_alive

ENVIRONMENT_NAME = "KEYMANAGER_SUPERVISOR"
LOOK_SECONDS = 0.5
GRACE_SECONDS = 5.0


def name_supervisor() -> dict[str, str]:
    """What to put into the environment of a child of this process."""
    return {ENVIRONMENT_NAME: str(os.getpid())}


def hold() -> None:
    """End this process, and every fork of it, soon after the supervisor has ended.

    Does nothing where no supervisor is named. Works on every system, unlike a signal of the kernel at the
    parent's death, and reaches processes that the supervisor did not start itself.
    """
    supervisor = os.environ.get(ENVIRONMENT_NAME)
    if supervisor is None:
        return
    process = _process(int(supervisor))

    def watch() -> None:
        threading.Thread(target=_follow, args=(process,), name="lifeline", daemon=True).start()

    watch()
    if hasattr(os, "register_at_fork"):
        # Threads do not live on in a fork.
        os.register_at_fork(after_in_child=watch)


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _follow(supervisor: psutil.Process | None) -> None:
    while supervisor is not None and is_alive(supervisor):
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)
