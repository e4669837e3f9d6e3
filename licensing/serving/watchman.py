"""Watches, from the pages' process, over what the worker cannot tell of itself: that it stands still.

It also writes down portal time and that this machine serves, and remembers how long the database could not
be used, to tell of it afterwards.
"""

import logging
import threading
from datetime import datetime, timedelta

from django.db import DatabaseError, connections

from licensing.models import QueueHeartbeat
from licensing.operations.clock import UNKNOWN, keep_time, known_now, portal_now
from licensing.operations.cluster import note_node
from licensing.operations.health import worker_silent
from licensing.operations.mail_queue import send_queued_mail
from licensing.operations.trouble_alerts import tell_of_database, tell_of_worker

logger = logging.getLogger(__name__)

EVERY_SECONDS = 30.0
# A database that comes back sooner has only been started again.
WORTH_TELLING = timedelta(minutes=2)


class Watchman:
    """Looks around; what it remembers is when all was well, and what the database said since."""

    def __init__(self) -> None:
        self._well_at: datetime | None = None
        self._said = ""

    def look(self) -> None:
        """Look once. It never raises for a database that cannot be used."""
        try:
            keep_time()
            now = portal_now()
            if now == UNKNOWN:
                return
            self._tell_of_database(now)
            note_node(now)
            self._tell_of_worker(now)
            self._well_at, self._said = now, ""
        except DatabaseError as error:
            self._said = " ".join(str(error).split())[:200]
            logger.warning("the database cannot be used: %s", self._said)

    def _tell_of_database(self, now: datetime) -> None:
        if self._said and self._well_at is not None and now - self._well_at >= WORTH_TELLING:
            tell_of_database(now, self._well_at, self._said)

    def _tell_of_worker(self, now: datetime) -> None:
        last = QueueHeartbeat.objects.values_list("at", flat=True).filter(pk=1).first()
        if last is not None and worker_silent(now):
            tell_of_worker(now, last, None)
            # Nobody else would.
            send_queued_mail(known_now)


def start() -> None:
    """Watch in a thread of this process, as long as it lives."""
    threading.Thread(target=_watch, name="watchman", daemon=True).start()


def _watch() -> None:
    watchman, pause = Watchman(), threading.Event()
    while not pause.wait(EVERY_SECONDS):
        try:
            watchman.look()
        except Exception:
            logger.exception("the watchman stumbled")
        finally:
            connections.close_all()
