"""The worker: django-q2's cluster, stopped from its own main loop.

Its own stop waits inside the signal handler and can hang when the signal comes twice or to the whole
process group; ours sets a flag, and ends by force what does not end in time.
"""

import contextlib
import gc
import os
import time
from types import FrameType

from django.db import DatabaseError, connections
from django_q.cluster import Cluster
from django_q.tasks import async_task

from licensing import schedules, tasks
from licensing.operations.clock import local_now, portal_now
from licensing.operations.cluster import leave, others_alive
from licensing.operations.queue_heartbeat import rest

from .priority import give_way
from .process_tree import Descendants

LOOK_SECONDS = 0.2
NOTE_SECONDS = 2.0
STOP_SECONDS = 5.0


class Worker(Cluster):  # type: ignore[misc]
    """A cluster that only notes that it should stop."""

    is_asked_to_stop = False

    def sig_handler(self, signum: int, frame: FrameType | None) -> None:
        """Leave the stopping to the main loop."""
        self.is_asked_to_stop = True


def run() -> bool:
    """Work until a signal; tell whether the end was asked for."""
    give_way()
    forget_pool()
    schedules.declare(local_now())
    for name in schedules.AT_START:
        async_task(f"{tasks.__name__}.{name}", timeout=schedules.seconds_of(name))
    connections.close_all()
    # What is there now, the tasks' code too, is shared by all processes of the cluster, as long as nothing
    # walks through it.
    gc.collect()
    gc.freeze()
    descendants = Descendants(os.getpid())
    worker = Worker()
    worker.start()
    try:
        _stay(worker, descendants)
        if worker.is_asked_to_stop and worker.sentinel.is_alive():
            worker.stop_event.set()
            worker.sentinel.join(STOP_SECONDS)
        return worker.is_asked_to_stop
    finally:
        descendants.kill()
        if worker.is_asked_to_stop:
            _take_leave()


def _take_leave() -> None:
    """Nobody need be alarmed at a stop that was asked for."""
    with contextlib.suppress(DatabaseError):
        now = portal_now()
        # The sign of life is that of all workers: another machine's goes on.
        if not others_alive(now).exists():
            rest()
        leave(now)
        connections.close_all()


def forget_pool() -> None:
    """Let each process of the cluster connect for itself: the pool's connections must not cross a fork."""
    connection = connections["default"]
    connection.close()
    if connection.settings_dict["OPTIONS"].pop("pool", None) and hasattr(connection, "close_pool"):
        connection.close_pool()


def _stay(worker: Worker, descendants: Descendants) -> None:
    noted_at = 0.0
    while not worker.is_asked_to_stop and worker.sentinel.is_alive():
        if time.monotonic() - noted_at > NOTE_SECONDS:
            descendants.note()
            noted_at = time.monotonic()
        time.sleep(LOOK_SECONDS)
