"""Who goes first where the processor is scarce: lease calls before pages and the worker."""

import contextlib
import sys

import psutil

# A third of the processor time of an equal that wants as much (Linux, sched(7)).
NICE = 5


def give_way() -> None:
    """Let this process, and what it starts from now on, stand back; nothing where that is not allowed."""
    with contextlib.suppress(psutil.Error, OSError):
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else NICE)
